/** How often the clock is looked at, in ms. */
const LOOK = 2_000;
/**
 * A look that is later than this shows that the page stood still. Browsers delay timers of hidden pages by a second, and Chromium
 * after some minutes by up to a minute: such a page counts as asleep. In ms.
 */
const ASLEEP = 3_000;

/**
 * Notices that the page stood still: the device or the browser was asleep. Not every browser tells a page so. Calls `woke` when the page
 * goes on. It lives as long as the page.
 */
export function noticeSleep(woke: () => void): void {
  let looked = performance.now();
  let date = Date.now();
  setInterval(() => {
    // While the device is asleep, some browsers' `performance.now` stands still too.
    const gap = Math.max(performance.now() - looked, Date.now() - date);
    looked = performance.now();
    date = Date.now();
    if (gap > LOOK + ASLEEP) woke();
  }, LOOK);
}
