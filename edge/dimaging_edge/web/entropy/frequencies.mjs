// @ts-check
/** From a model's whole weights to the frequencies of the entropy coder, as `entropy/frequencies.py`. */

/**
 * Return frequencies, each 1 or more, with the sum 2^bits: a slot each, of the others floor(weight * spare / sum), and
 * what is left to the largest weight, the first of equals.
 * @param {ArrayLike<number>} weights whole numbers, 1 to 2^32
 * @param {number} bits 1 to 16
 */
export function normalise(weights, bits) {
  const found = new Float64Array(weights.length);
  const spare = 2 ** bits - weights.length;
  let [sum, left, largest] = [0, 2 ** bits, 0];
  for (let i = 0; i < weights.length; i++) {
    sum += weights[i];
    if (weights[i] > weights[largest]) largest = i;
  }
  for (let i = 0; i < weights.length; i++) {
    const dealt = weights[i] * spare;
    let share = Math.floor(dealt / sum);
    if (share * sum > dealt) share--; // the quotient was rounded up
    found[i] = 1 + share;
    left -= found[i];
  }
  found[largest] += left;
  return found;
}
