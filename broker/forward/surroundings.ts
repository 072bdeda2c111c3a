/** What the parts of one forwarder share. */
import type { Coordinator } from '../coordinator/coordinator.ts';
import type { Store } from '../store/store.ts';
import type { ForwardMarks } from './forward-marks.ts';
import type { Fault, Publisher } from './publisher.ts';
import type { Moment } from './setback.ts';
import type { TopicCatalogue } from './topic-catalogue.ts';

/** What happens, for metrics. */
export interface ForwardHooks {
  /** Kafka has so many messages more; the oldest of them was decided `oldestAgeMs` ago. */
  readonly onForwarded?: (topic: string, messages: number, oldestAgeMs: number) => void;
  readonly onParked?: (topic: string, messages: number) => void;
  readonly onSendFailed?: (topic: string, fault: Fault) => void;
}

export interface Surroundings {
  readonly store: Pick<Store, 'readyMessages'>;
  readonly coordinator: Coordinator;
  readonly publisher: Publisher;
  readonly catalogue: Pick<TopicCatalogue, 'refresh' | 'touch' | 'report'>;
  readonly marks: ForwardMarks;
  /** The broker's own name in `ce_source`. */
  readonly source: string;
  readonly parkAfterMs: number;
  readonly hooks: ForwardHooks;
  readonly moment: () => Moment;
  /** The last place in the commit order whose messages have been announced to the routes. */
  readonly announced: () => number;
  /** Adds to the bytes read and not yet answered for, of all lanes together; negative: takes away. */
  readonly hold: (bytes: number) => void;
  /** Whether there is room for one more send. Whoever heard no is asked again when there may be. */
  readonly mayStart: () => boolean;
  /** Takes care of the work's errors, and advances all routes when it is done. `sending`: a stop waits for it. */
  readonly track: (work: Promise<void>, kind: 'sending' | 'other') => void;
  /** Set by a stop: `stopping` starts nothing new, `abandoned` believes nothing that still comes in. */
  stopping: boolean;
  abandoned: boolean;
}
