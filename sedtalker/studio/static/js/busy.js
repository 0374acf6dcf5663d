/** How many requests are under way that change what is shown. */

export const busy = { count: 0 };

/**
 * @template T
 * @param {() => Promise<T>} work
 * @returns {Promise<T>}
 */
export async function whileBusy(work) {
  busy.count += 1;
  try {
    return await work();
  } finally {
    busy.count -= 1;
  }
}
