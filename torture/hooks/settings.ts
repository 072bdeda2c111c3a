/** What a hook is told, in the query of the address that it is loaded from. */
import { pathToFileURL } from 'node:url';

export const FAULTS = ['fence-without-key', 'check-only-reads', 'inbox-apart'] as const;
export type Fault = (typeof FAULTS)[number];

export interface HookSettings {
  /** Of the process, and of its file in the history. */
  readonly name: string;
  /** Of the history. */
  readonly folder: string;
  /** Where it is written what has happened once. */
  readonly markers: string;
  readonly fault: Fault | null;
}

/** The arguments of Node that load the hook. */
export const hookArguments = (file: string, { name, folder, markers, fault }: HookSettings): string[] => {
  const address = pathToFileURL(file);
  address.search = new URLSearchParams({ name, folder, markers, fault: fault ?? '' }).toString();
  return ['--import', address.href];
};

export const hookSettings = (address: string): HookSettings => {
  const query = new URL(address).searchParams;
  const said = (key: string): string => query.get(key) ?? '';
  const fault = FAULTS.find(one => one === said('fault')) ?? null;
  return { name: said('name'), folder: said('folder'), markers: said('markers'), fault };
};
