import { Random } from "../../src/random.js";

/** The numbers that ``Drawn`` in ``scripts/make_web_reference.py`` draws. */
export class Drawn extends Random {
  constructor(state) {
    super(0);
    this.held = state;
  }

  random() {
    this.held = (Math.imul(1103515245, this.held) + 12345) & 0x7fffffff;
    return this.held / 2 ** 31;
  }

  normal(mean = 0, deviation = 1) {
    return mean + deviation * Math.sqrt(12) * (this.random() - 0.5);
  }

  gamma(shape, scale) {
    return shape * scale * (0.5 + this.random());
  }
}

/** Generators of all kinds of motion. */
export function drawnGenerators() {
  const [blinks, gaze, head, speech] = [1, 2, 3, 4].map((state) => new Drawn(state));
  return { blinks, gaze, head, speech };
}
