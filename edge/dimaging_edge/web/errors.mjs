// @ts-check
/** Errors whose text is meant for a person; the counterparts of `dimaging_edge.common.errors`. */

/** What a file, a bundle or an argument does wrong, in a sentence. */
export class DimagingError extends Error {
  /** @param {string} words */
  constructor(words) {
    super(words);
    this.name = new.target.name;
  }
}

/** A compressed file is damaged, forged, too new or of another model. */
export class CodecError extends DimagingError {}

/** A bundle is not whole, or its graphs are not what the page expects. */
export class BundleError extends DimagingError {}

/** A person gave something that cannot be used. */
export class InputError extends DimagingError {}
