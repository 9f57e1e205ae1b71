// Texts with too little contrast to the ground behind them (WCAG 2.2, 1.4.3: 4.5 to 1, large ones
// 3 to 1). Colours are read from a canvas, which knows every way to write one.
() => {
  const context = document.createElement("canvas").getContext("2d", { willReadFrequently: true });
  const over = (color, below) => {
    for (const paint of [`rgb(${below})`, color]) {
      context.fillStyle = paint;
      context.fillRect(0, 0, 1, 1);
    }
    return [...context.getImageData(0, 0, 1, 1).data].slice(0, 3);
  };
  const ground = (element) => {
    const grounds = [];
    for (let one = element; one; one = one.parentElement) grounds.unshift(getComputedStyle(one).backgroundColor);
    return grounds.reduce((below, color) => over(color, below), [255, 255, 255]);
  };
  const linear = (value) => (value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4);
  const luminance = ([r, g, b]) => 0.2126 * linear(r / 255) + 0.7152 * linear(g / 255) + 0.0722 * linear(b / 255);
  const found = [];
  for (const element of document.querySelectorAll("body *")) {
    const hasText = [...element.childNodes].some((node) => node.nodeType === Node.TEXT_NODE && node.textContent.trim());
    if (!hasText || !element.offsetParent || element.closest(".skip, noscript")) continue;
    const style = getComputedStyle(element);
    const below = ground(element);
    const [a, b] = [luminance(over(style.color, below)), luminance(below)];
    const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
    if (ratio < (parseFloat(style.fontSize) >= 24 ? 3 : 4.5)) {
      found.push(`${element.className}: ${element.textContent.slice(0, 20)}: ${ratio.toFixed(2)}`);
    }
  }
  return found;
}
