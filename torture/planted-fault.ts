/** A fault that is planted into the product's own sources while they are loaded, so that the product has no switch for it. */
import { pathToFileURL } from 'node:url';
import { memorySettings } from '../bench/image-settings.ts';

export interface PlantedFault {
  /** In words with hyphens. */
  readonly name: string;
  /** What is broken, as docs/reliability.md says it. */
  readonly what: string;
  /** Relative to the repository. */
  readonly file: string;
  /** Occurs exactly once in the file; otherwise the process ends at once. */
  readonly from: string;
  readonly to: string;
}

const HOOK = pathToFileURL(new URL('hooks/plant.ts', import.meta.url).pathname);

/** Options of Node that plant it, e.g. in NODE_OPTIONS, which children and threads inherit. Null: none. */
export const plantingOptions = (fault: PlantedFault | null): string[] => {
  if (fault === null) return [];
  const address = new URL(HOOK);
  address.search = new URLSearchParams({ file: fault.file, from: fault.from, to: fault.to }).toString();
  return [`--import=${address.href}`];
};

/** The memory settings of the image, and the fault. */
export const environmentAsInTheImage = (fault: PlantedFault | null): Record<string, string> => {
  const { NODE_OPTIONS, ...others } = memorySettings();
  return { ...others, NODE_OPTIONS: [NODE_OPTIONS, ...plantingOptions(fault)].join(' ') };
};

/** The environment of a process that has it. */
export const environmentWith = (fault: PlantedFault | null): Record<string, string> =>
  fault === null ? {} : { NODE_OPTIONS: plantingOptions(fault).join(' ') };
