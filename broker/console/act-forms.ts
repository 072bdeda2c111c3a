/** Acts of an operator: each a form that opens in its place, says what will happen, and asks for a reason. */
import { type Fragment, type Html, html } from './html.ts';

/** As REST takes it. */
export const MAX_REASON = 500;

export interface ActForm {
  readonly action: string;
  /** On the button that opens the form. */
  readonly name: string;
  /** On the button that does it. */
  readonly does: string;
  /** What will happen, as a sentence. */
  readonly words: Fragment;
  /** It takes something away for ever. */
  readonly isGrave?: boolean;
  /** Forms that close each other. */
  readonly among: string;
  readonly testId: string;
}

/** A form that was sent and refused: what was written into it is not lost. */
export interface Sent {
  readonly action: string;
  readonly reason: string;
}

export const tokenField = (formToken: string): Html =>
  html`<input type="hidden" name="formToken" value="${formToken}">`;

export const actForm = (form: ActForm, formToken: string, sent: Sent | null = null): Html => {
  const { action, name, does, words, isGrave, among, testId } = form;
  const isAgain = sent?.action === action;
  const content = html`<summary class="act ${isGrave && 'grave'}">${name}</summary>
<form method="post" action="${action}">
${tokenField(formToken)}
<p>${words}</p>
<label for="reason-${testId}">Reason <span class="quiet">(it stands in the history)</span></label>
<textarea id="reason-${testId}" name="reason" required maxlength="${MAX_REASON}" rows="2" placeholder="What you know, and from where">${isAgain && sent.reason}</textarea>
<button class="act main ${isGrave && 'grave'}">${does}</button>
</form>`;
  return isAgain
    ? html`<details class="act-form" name="${among}" data-testid="${testId}" open>${content}</details>`
    : html`<details class="act-form" name="${among}" data-testid="${testId}">${content}</details>`;
};
