// @ts-check
/**
 * What an attacker may do to one picture: how far each value may move, inside which bounds, to which class.
 *
 * As `attacks/threat.py`, for the largest change of a value (linf) and one picture at a time.
 */
import { InputError } from "../errors.mjs";

const number = new Float32Array(1);
const word = new Int32Array(number.buffer);

/**
 * Return the float32 next to a float32, upwards or downwards.
 * @param {number} value
 * @param {1 | -1} way
 */
function beside(value, way) {
  number[0] = value;
  if (number[0] === 0) word[0] = way > 0 ? 1 : -0x7fffffff;
  else word[0] += number[0] > 0 === way > 0 ? 1 : -1;
  return number[0];
}

/** A threat model, complete: nothing in it is left to an attack. */
export class Threat {
  /**
   * @param {number} eps largest change of a value, in the unit of `bounds`
   * @param {[number, number]} bounds legal values of a picture
   * @param {number | null} target the class to reach; null: any but the right one
   */
  constructor(eps, bounds = [0, 1], target = null) {
    const [low, high] = bounds;
    if (!(eps >= 0 && eps <= high - low)) {
      throw new InputError(`eps: expected 0 to ${high - low}, the whole range of a picture; received ${eps}`);
    }
    this.eps = eps;
    this.bounds = bounds;
    this.target = target;
  }

  /** Return the label whose margin an attack works on: the target, or the right one. @param {number} y */
  wanted(y) {
    return this.target ?? y;
  }

  /** 1 where the margin of `wanted` shall grow, -1 where it shall fall (a target). */
  get sign() {
    return this.target === null ? 1 : -1;
  }

  /**
   * Return whether a picture is where the attacker wants it; a tie of two logits is no success.
   * @param {ArrayLike<number>} logits
   * @param {number} y
   */
  reached(logits, y) {
    const wanted = this.wanted(y);
    let others = -Infinity;
    for (let k = 0; k < logits.length; k++) if (k !== wanted && logits[k] > others) others = logits[k];
    return this.target === null ? others > logits[wanted] : logits[wanted] > others;
  }

  /**
   * Return the least and largest float32 values that keep eps and bounds, exactly.
   * @param {Float32Array} x
   * @returns {[Float32Array, Float32Array]}
   */
  box(x) {
    const [low, high] = [new Float32Array(x.length), new Float32Array(x.length)];
    x.forEach((value, i) => {
      const [least, most] = [Math.max(value - this.eps, this.bounds[0]), Math.min(value + this.eps, this.bounds[1])];
      const [lower, upper] = [Math.fround(least), Math.fround(most)];
      low[i] = Math.min(lower < least ? beside(lower, 1) : lower, value);
      high[i] = Math.max(upper > most ? beside(upper, -1) : upper, value);
    });
    return [low, high];
  }
}
