/** Every promise that has a proof here, in the order of docs/reliability.md. */
import type { Proof } from '../proof.ts';
import { P1 } from './p01-power-cut.ts';
import { P2 } from './p02-killed-anywhere.ts';
import { P4 } from './p04-resolution-never-flips.ts';
import { P6 } from './p06-nothing-forgotten.ts';
import { P7 } from './p07-at-least-once.ts';
import { P9 } from './p09-order.ts';
import { P10 } from './p10-bytes.ts';
import { P11 } from './p11-repeated-calls.ts';
import { P12 } from './p12-outage.ts';
import { P13 } from './p13-full-disk.ts';
import { P14 } from './p14-overload.ts';
import { P16 } from './p16-restart.ts';
import { P17 } from './p17-clocks.ts';
import { P18 } from './p18-days.ts';
import { P19 } from './p19-check-addresses.ts';
import { P20 } from './p20-rights.ts';

export const PROOFS: readonly Proof[] = [P1, P2, P4, P6, P7, P9, P10, P11, P12, P13, P14, P16, P17, P18, P19, P20];
