// @ts-check
/** Captions as numbers, with a closed vocabulary; as `common/words.py`. */
import { InputError } from "./errors.mjs";

/**
 * Return the words of a caption in lower case: runs of letters and digits of any language, with single hyphens.
 * @param {string} caption
 * @returns {string[]}
 */
export const splitWords = (caption) =>
  caption.toLowerCase().normalize("NFC").match(/[\p{L}\p{N}\p{M}]+(?:-[\p{L}\p{N}\p{M}]+)*/gu) ?? [];

/**
 * Return the numbers of a caption's words, counted from 1, with zeros in front; InputError for unknown words.
 * @param {string} caption
 * @param {string[]} words
 * @param {number} length
 */
export function encode(caption, words, length) {
  const used = splitWords(caption);
  if (!used.length || used.length > length) {
    throw new InputError(`a caption has 1 to ${length} words; received ${used.length}`);
  }
  const unknown = [...new Set(used.filter((word) => !words.includes(word)))];
  if (unknown.length) {
    throw new InputError(`unknown ${unknown.length === 1 ? "word" : "words"} ${unknown.join(", ")}; known: ${words.join(", ")}`);
  }
  const tokens = new Int32Array(length);
  tokens.set(used.map((word) => words.indexOf(word) + 1), length - used.length);
  return tokens;
}
