/// <reference lib="dom" />
/** Changes: a question before each that cannot be taken back, and what came of it. */
import type { LockView } from '../view.ts';
import { found } from './dom.ts';
import { token } from './state.ts';

export interface Question {
  kind: string;
  /** The holder or waiter that it is about. */
  named?: string;
  title: string;
  text: string;
  /** What is to be typed. */
  field: string;
  verb: string;
}

/** So long the answer can be read. */
const READ_MS = 1200;

let asked: (Question & { view: LockView }) | undefined;
const dialog = found<HTMLDialogElement>('ask');
const field = found<HTMLInputElement>('ask-field');

export function ask(view: LockView, question: Question): void {
  asked = { ...question, view };
  field.value = '';
  field.inputMode = question.kind === 'permits' ? 'numeric' : 'text';
  found('ask-title').textContent = question.title;
  found('ask-text').textContent = question.text;
  found('ask-label').textContent = question.field;
  found('ask-do').textContent = question.verb;
  show('', false);
  dialog.showModal();
  field.focus();
}

function show(message: string, done: boolean): void {
  found('ask-answer').textContent = message;
  found('ask-answer').classList.toggle('done', done);
}

found('ask-cancel').addEventListener('click', () => dialog.close());
found('ask-form').addEventListener('submit', async (event) => {
  event.preventDefault();
  if (!asked) return;
  const { view, kind, named } = asked;
  const text = field.value.trim();
  show('Working', true);
  const answer = await change(view, kind === 'permits' ? { kind, number: Number(text) } : { kind, named, reason: text });
  show(answer.message, answer.done);
  if (answer.done) setTimeout(() => dialog.close(), READ_MS);
});

export async function change(
  { namespace, name }: LockView,
  wish: Record<string, unknown>,
): Promise<{ done: boolean; message: string }> {
  try {
    const response = await fetch('/act', {
      method: 'POST',
      headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
      body: JSON.stringify({ namespace, name, ...wish }),
    });
    return response.ok ? await response.json() : { done: false, message: (await response.text()).trim() };
  } catch {
    return { done: false, message: 'k8s-lease-lock ui does not answer: it may have ended' };
  }
}
