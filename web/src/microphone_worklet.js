/** Runs beside the sound card: mono samples of the microphone at the wanted rate, in blocks of some 20 ms. */

import { Resampler } from "./resampling.js";

class Microphone extends AudioWorkletProcessor {
  /** @param {{processorOptions: {rate: number, block: number}}} options */
  constructor({ processorOptions: { rate, block } }) {
    super();
    this.resampler = new Resampler(sampleRate, rate);
    this.block = new Float32Array(block);
    this.filled = 0;
  }

  /** @param {Float32Array[][]} inputs */
  process([channels]) {
    if (!channels?.length) return true;
    const mono = channels[0].slice();
    for (const channel of channels.slice(1)) for (let i = 0; i < mono.length; i++) mono[i] += channel[i];
    if (channels.length > 1) for (let i = 0; i < mono.length; i++) mono[i] /= channels.length;
    for (const sample of this.resampler.push(mono)) {
      this.block[this.filled++] = sample;
      if (this.filled < this.block.length) continue;
      const full = this.block.slice();
      this.port.postMessage(full, [full.buffer]);
      this.filled = 0;
    }
    return true;
  }
}

registerProcessor("sedtalker-microphone", Microphone);
