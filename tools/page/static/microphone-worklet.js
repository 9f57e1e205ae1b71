// Runs in the audio thread: floats of one channel to 16-bit samples.

class Samples extends AudioWorkletProcessor {
  process(inputs) {
    const channel = inputs[0][0];
    if (channel) {
      const samples = Int16Array.from(channel, (value) => Math.max(-1, Math.min(1, value)) * 32767);
      this.port.postMessage(samples, [samples.buffer]);
    }
    return true;
  }
}

registerProcessor("samples", Samples);
