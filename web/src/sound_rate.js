/**
 * The rate of a compressed sound file by its head: browsers resample less well than `resampling.js`, and so have to
 * decode at the rate of the file.
 */

/** The rate at which files that do not say it here are decoded: M4A and WebM are of this one or near it. */
const USUAL = 48000;
/** Rates of MP3 by its version, and what they are divided by: 2.5, none, 2, 1. */
const MP3_RATES = [44100, 48000, 32000];
const MP3_DIVISORS = [4, 0, 2, 1];

/** @param {DataView} view @param {number} at @param {string} text @returns {boolean} whether it stands there */
function says(view, at, text) {
  return at + text.length <= view.byteLength && [...text].every((c, k) => view.getUint8(at + k) === c.charCodeAt(0));
}

/** @param {DataView} view @returns {number} of the first frame behind the tags; 0: there is none */
function mp3Rate(view) {
  const size = (/** @type {number} */ at) => [0, 1, 2, 3].reduce((sum, k) => 128 * sum + view.getUint8(at + k), 0);
  const begin = says(view, 0, "ID3") && view.byteLength > 10 ? 10 + size(6) : 0;
  for (let at = begin; at + 4 <= Math.min(view.byteLength, begin + 65536); at++) {
    const [sync, coded] = [view.getUint16(at), view.getUint8(at + 2)];
    const [divisor, layer, rate] = [MP3_DIVISORS[(sync >> 3) & 3], (sync >> 1) & 3, MP3_RATES[(coded >> 2) & 3]];
    if (sync >= 0xffe0 && divisor && layer && rate && coded >> 4 !== 15) return rate / divisor;
  }
  return 0;
}

/**
 * Samples a second.
 * @param {ArrayBuffer} file FLAC, Ogg, MP3 or another
 * @returns {number}
 */
export function soundRate(file) {
  const view = new DataView(file);
  if (view.byteLength < 64) return USUAL;
  if (says(view, 0, "fLaC")) return view.getUint32(18) >> 12 || USUAL;
  if (says(view, 0, "OggS")) {
    const packet = 27 + view.getUint8(26);
    return says(view, packet, "\x01vorbis") && packet + 16 <= view.byteLength ? view.getUint32(packet + 12, true) : USUAL;
  }
  return (says(view, 0, "RIFF") || says(view, 4, "ftyp") ? 0 : mp3Rate(view)) || USUAL;
}
