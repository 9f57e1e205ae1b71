// The laptop's microphone: 16-bit samples, a few times a second, to the room of the recorder.

const SEND_MS = 200;

export class Microphone {
  constructor(send) {
    this.send = send;
    this.context = null;
  }

  /** null if it listens, else one sentence that says why not. */
  async start() {
    if (!navigator.mediaDevices?.getUserMedia) return "This browser gives a page no microphone: use a current one, at 127.0.0.1.";
    try {
      this.stream = await navigator.mediaDevices.getUserMedia({ audio: { channelCount: 1 } });
    } catch (error) {
      if (error.name === "NotFoundError") return "This laptop has no microphone: “Somebody reads aloud” speaks in its place.";
      if (error.name !== "NotAllowedError") return `The browser cannot use the microphone (${error.name}): does another program hold it?`;
      return "The browser was not allowed to use the microphone: allow it for this page, and try again.";
    }
    this.context = new AudioContext();
    await this.context.audioWorklet.addModule("static/microphone-worklet.js");
    const node = new AudioWorkletNode(this.context, "samples", { numberOfOutputs: 0 });
    let pieces = [];
    node.port.onmessage = (event) => pieces.push(event.data);
    this.timer = setInterval(() => {
      if (!pieces.length || !this.context) return;
      const all = new Int16Array(pieces.reduce((sum, piece) => sum + piece.length, 0));
      let at = 0;
      for (const piece of pieces) {
        all.set(piece, at);
        at += piece.length;
      }
      pieces = [];
      this.send(all, this.context.sampleRate);
    }, SEND_MS);
    this.context.createMediaStreamSource(this.stream).connect(node);
    return null;
  }

  stop() {
    if (!this.context) return;
    clearInterval(this.timer);
    for (const track of this.stream.getTracks()) track.stop();
    this.context.close();
    this.context = null;
  }
}
