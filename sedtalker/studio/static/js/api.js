/**
 * Requests to the server. All addresses are relative to the page, whose path carries the token.
 */

/** A request that the server refused, in one line a user may read. */
export class ApiError extends Error {
  /** @param {string} message @param {number} status 0: the server cannot be reached */
  constructor(message, status) {
    super(message);
    this.status = status;
  }
}

/**
 * @param {string} path under `api/`
 * @param {RequestInit} [options]
 * @returns {Promise<Response>} of status 2xx
 */
export async function request(path, options) {
  let reply;
  try {
    reply = await fetch(`api/${path}`, { cache: "no-store", ...options });
  } catch (error) {
    if (error instanceof DOMException && error.name === "AbortError") throw error;
    throw new ApiError("The studio's server cannot be reached. Is it still running?", 0);
  }
  if (reply.ok) return reply;
  let message = `The server answered ${reply.status}.`;
  try {
    message = (await reply.json()).error || message;
  } catch { /* no JSON: the status says it */ }
  throw new ApiError(message, reply.status);
}

/** @param {string} path @param {RequestInit} [options] @returns {Promise<any>} */
export const getJson = async (path, options) => (await request(path, options)).json();

/** @param {string} path @param {object} [body] @returns {Promise<any>} */
export const post = (path, body = {}) => getJson(path, { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(body) });

/** @param {string} path @returns {Promise<any>} */
export const remove = (path) => getJson(path, { method: "DELETE" });

/**
 * Send a file as it is.
 * @param {string} kind audio, mesh, track, words or project
 * @param {Blob} blob
 * @param {string} name
 * @param {boolean} [discard] edits that are not saved may be lost
 * @returns {Promise<any>}
 */
export function upload(kind, blob, name, discard = false) {
  const headers = { "Content-Type": "application/octet-stream" };
  return getJson(`${kind}?name=${encodeURIComponent(name)}${discard ? "&discard=true" : ""}`, { method: "POST", headers, body: blob });
}

/**
 * Rows of numbers with what the headers say about them.
 * @param {string} path
 * @returns {Promise<{values: Float32Array, header: (name: string) => number}>}
 */
export async function getFloats(path) {
  const reply = await request(path);
  const values = new Float32Array(await reply.arrayBuffer());
  return { values, header: (name) => Number(reply.headers.get(name)) };
}

/** @param {string} path @returns {string} address of a WebSocket under `api/` */
export function socketUrl(path) {
  const url = new URL(`api/${path}`, location.href);
  url.protocol = url.protocol === "https:" ? "wss:" : "ws:";
  return url.href;
}

/**
 * The server's events, reconnecting for as long as the page is open.
 * @param {{onEvent: (event: any) => void, onState: (state: "good" | "wait" | "bad" | "refused") => void}} handlers refused: another studio is there, and no more is tried
 * @returns {{retry: () => void}}
 */
export function openEvents({ onEvent, onState }) {
  /** @type {WebSocket | null} */
  let socket = null;
  let failures = 0;
  let timer = 0;

  function connect() {
    clearTimeout(timer);
    const mine = (socket = new WebSocket(socketUrl("events")));
    socket.onopen = () => {
      failures = 0;
      onState("good");
    };
    socket.onmessage = (message) => {
      try {
        onEvent(JSON.parse(message.data));
      } catch (error) {
        console.warn("event not understood", error);
      }
    };
    socket.onclose = async () => {
      failures += 1;
      if (failures > 1 && (await getJson("state").then(() => 0, (error) => error.status)) === 403) return onState("refused");
      if (socket !== mine) return;
      onState(failures > 1 ? "bad" : "wait");
      timer = setTimeout(connect, Math.min(500 * 2 ** failures, 10000));
    };
  }

  connect();
  return { retry: connect };
}
