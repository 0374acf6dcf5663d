/** Files of the page: fetched with a sentence where they are not there, and unpacked where they are gzipped. */

/** @param {Uint8Array} bytes @returns {boolean} whether they begin as gzip does; a server may have unpacked them already */
const gzipped = (bytes) => bytes[0] === 0x1f && bytes[1] === 0x8b;

/**
 * @param {URL | string} url @param {(bytes: number) => void} [took] called with the bytes that have come since
 * @returns {Promise<ArrayBuffer>} unpacked
 */
export async function fetchBytes(url, took = () => {}) {
  const name = new URL(url).pathname.split("/").pop();
  const lost = (/** @type {unknown} */ cause) => {
    throw new Error(`${name} could not be loaded: is there a connection?`, { cause });
  };
  const answer = await fetch(url).catch(lost);
  if (!answer.ok || !answer.body) throw new Error(`${name} could not be loaded: the server answered ${answer.status}.`);
  const parts = [];
  for (const reader = answer.body.getReader(); ; ) {
    const { done, value } = await reader.read().catch(lost);
    if (done) break;
    parts.push(value);
    took(value.length);
  }
  const whole = new Blob(parts);
  if (!gzipped(new Uint8Array(await whole.slice(0, 2).arrayBuffer()))) return whole.arrayBuffer();
  return new Response(whole.stream().pipeThrough(new DecompressionStream("gzip"))).arrayBuffer();
}

/**
 * What a file of JSON holds.
 * @param {ArrayBuffer | Uint8Array} bytes @param {string} name of the file
 */
export function parsedJson(bytes, name) {
  try {
    return JSON.parse(new TextDecoder().decode(bytes));
  } catch (cause) {
    throw new Error(`${name} is no JSON: does the server answer with a page where the file is not there?`, { cause });
  }
}

/** A module with one SIMD instruction: v128.const, i8x16.popcnt. */
const SIMD = Uint8Array.of(0, 97, 115, 109, 1, 0, 0, 0, 1, 5, 1, 96, 0, 1, 123, 3, 2, 1, 0, 10, 10, 1, 8, 0, 65, 0, 253, 15, 253, 98, 11);

/** @throws {Error} a sentence, where this browser lacks what the face needs */
export function checkBrowser() {
  if (typeof WebAssembly !== "object" || !WebAssembly.validate(SIMD)) {
    throw new Error("This browser has no WebAssembly SIMD, with which the face is computed. Chrome 91, Firefox 89, Safari 16.4 and later have it.");
  }
  if (typeof DecompressionStream !== "function") {
    throw new Error("This browser cannot unpack the models. Chrome 80, Firefox 113, Safari 16.4 and later can.");
  }
}
