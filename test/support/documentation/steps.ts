/** What a page asks its reader to do in a shell, step by step, and what the reader is told to see. */
import type { Block } from '../markdown.ts';

export interface Step {
  /** Of the page. */
  readonly line: number;
  readonly commands: string;
  /** What the page prints right below: of the commands' whole output. */
  readonly seen: { readonly as: 'text' | 'json'; readonly text: string } | null;
}

const SHELLS = ['sh', 'bash', 'console'];

export const isShell = ({ language }: Block): boolean => SHELLS.includes(language);

/** A block of `console` has its commands behind `$ `, each with what it writes below it. */
const consoleSteps = ({ text, line }: Block): Step[] =>
  text
    .split(/^\$ /m)
    .slice(1)
    .map(part => {
      const [commands = '', ...rest] = part.split('\n');
      const seen = rest.join('\n').trim();
      return { line, commands: `${commands}\n`, seen: seen === '' ? null : { as: 'text', text: seen } };
    });

/** A block of `text` or `json` directly below one of a shell, with nothing between them, is what that one writes. */
export const stepsOf = (block: Block, next: Block | undefined): Step[] => {
  if (block.language === 'console') return consoleSteps(block);
  const as = next?.language;
  const isSeen = next?.above === '' && (as === 'text' || as === 'json');
  return [{ line: block.line, commands: block.text, seen: isSeen ? { as, text: next.text } : null }];
};

/** Whether it only looks: what is not there yet may be there when one looks again. */
export const onlyLooks = ({ commands }: Step): boolean =>
  commands
    .trim()
    .split('\n')
    .every(line => /^(curl|call|npx escrowmq (list|show|status|doctor))\b/.test(line) && !/ (-X|-d|--data)/.test(line));

/** `…` stands for anything on a line. */
const fitsText = (pattern: string, text: string): boolean => {
  const parts = pattern
    .split('…')
    .map(part => part.replaceAll(/[.*+?^${}()|[\]\\]/g, '\\$&').replaceAll(/\s+/g, '\\s+'));
  return new RegExp(`^${parts.join('.*')}$`).test(text);
};

/** Members that the page does not name may be there; a list may go on where the page's ends with "…". */
const fitsJson = (pattern: unknown, value: unknown): boolean => {
  if (typeof pattern === 'string') return pattern === '…' || (typeof value === 'string' && fitsText(pattern, value));
  if (Array.isArray(pattern)) {
    const isOpen = pattern.at(-1) === '…';
    const named = isOpen ? pattern.slice(0, -1) : pattern;
    return (
      Array.isArray(value) &&
      (isOpen ? value.length >= named.length : value.length === named.length) &&
      named.every((one, index) => fitsJson(one, value[index]))
    );
  }
  if (typeof pattern !== 'object' || pattern === null) return pattern === value;
  if (typeof value !== 'object' || value === null) return false;
  return Object.entries(pattern).every(([name, one]) => fitsJson(one, (value as Record<string, unknown>)[name]));
};

/** Whether somebody who did as the page says saw what it says. */
export const isAsSeen = ({ seen }: Step, written: string): boolean => {
  if (seen === null) return true;
  if (seen.as === 'json') {
    try {
      return fitsJson(JSON.parse(seen.text), JSON.parse(written));
    } catch {
      return false;
    }
  }
  const wanted = seen.text.trim().split('\n');
  const lines = written.trim().split('\n');
  return wanted.length === lines.length && wanted.every((line, index) => fitsText(line.trim(), lines[index]!.trim()));
};
