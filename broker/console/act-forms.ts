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
  /** Further fields. */
  readonly fields?: Fragment;
  readonly testId: string;
}

export const reasonField = (
  id: string,
): Html => html`<label for="${id}">Reason <span class="quiet">(it stands in the history)</span></label>
<textarea id="${id}" name="reason" required maxlength="${MAX_REASON}" rows="2" placeholder="What you know, and from where"></textarea>`;

export const tokenField = (formToken: string): Html =>
  html`<input type="hidden" name="formToken" value="${formToken}">`;

export const actForm = (form: ActForm, formToken: string): Html => {
  const { action, name, does, words, isGrave, among, fields, testId } = form;
  return html`<details class="act-form" name="${among}" data-testid="${testId}">
<summary class="act ${isGrave && 'grave'}">${name}</summary>
<form method="post" action="${action}">
${tokenField(formToken)}
<p>${words}</p>
${fields}
${reasonField(`reason-${testId}`)}
<button class="act main ${isGrave && 'grave'}">${does}</button>
</form>
</details>`;
};
