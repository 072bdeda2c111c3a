/** Milliseconds on the monotonic clock that all processes of this machine share (Linux: CLOCK_MONOTONIC). */
const offset = Number(process.hrtime.bigint()) / 1e6 - performance.now();

export const sharedNow = (): number => performance.now() + offset;
