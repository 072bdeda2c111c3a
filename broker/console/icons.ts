/** The few pictures of the console. None says anything that is not also said in words. */
import { type Html, html } from './html.ts';

const ICONS = {
  mark: html`<svg class="icon" viewBox="0 0 24 24" aria-hidden="true"><path d="M3 5h7v14H3M21 5h-7v14h7" fill="none" stroke="currentColor" stroke-width="2.4"/><circle cx="12" cy="12" r="2.6" fill="currentColor"/></svg>`,
  good: html`<svg class="icon" viewBox="0 0 16 16" aria-hidden="true"><circle cx="8" cy="8" r="7" fill="none" stroke="currentColor" stroke-width="1.5"/><path d="m4.8 8.2 2.2 2.2 4.2-4.6" fill="none" stroke="currentColor" stroke-width="1.5"/></svg>`,
  warn: html`<svg class="icon" viewBox="0 0 16 16" aria-hidden="true"><path d="M8 1.6 15 14H1z" fill="none" stroke="currentColor" stroke-width="1.5" stroke-linejoin="round"/><path d="M8 6v4M8 11.4v1.2" stroke="currentColor" stroke-width="1.5"/></svg>`,
  bad: html`<svg class="icon" viewBox="0 0 16 16" aria-hidden="true"><path d="M5.2 1.2h5.6l4 4v5.6l-4 4H5.2l-4-4V5.2z" fill="none" stroke="currentColor" stroke-width="1.5"/><path d="M8 4v5M8 10.6v1.4" stroke="currentColor" stroke-width="1.5"/></svg>`,
  wait: html`<svg class="icon" viewBox="0 0 16 16" aria-hidden="true"><circle cx="8" cy="8" r="7" fill="none" stroke="currentColor" stroke-width="1.5"/><path d="M8 4v4.4l3 1.6" fill="none" stroke="currentColor" stroke-width="1.5"/></svg>`,
  none: html`<svg class="icon" viewBox="0 0 16 16" aria-hidden="true"><circle cx="8" cy="8" r="7" fill="none" stroke="currentColor" stroke-width="1.5"/><path d="M5 8h6" stroke="currentColor" stroke-width="1.5"/></svg>`,
} as const;

export type IconName = keyof typeof ICONS;

export const icon = (name: IconName): Html => ICONS[name];
