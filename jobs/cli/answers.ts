import type { z } from 'zod';
import { ResealError } from '../contract/errors.ts';
import { faultOf } from '../contract/settings/fault.ts';
import type { Questions } from './asking.ts';

/** Where a dialogue takes place. */
export interface Dialogue {
  /** Null where nobody can be asked. */
  readonly terminal: Pick<Questions, 'question'> | null;
  readonly say: (text: string) => unknown;
}

export interface Question {
  readonly flag: string;
  readonly question: string;
  readonly given: string | undefined;
  readonly proposed?: string | undefined;
  readonly schema: z.ZodType;
  /** What helps where there is no answer. */
  readonly hint?: string;
}

/**
 * Takes what an option says, else asks; without a terminal what is proposed counts. Whichever it is, the schema has to
 * take it.
 *
 * @throws ResealError `init-setting`, and `cancelled` at the end of the input
 */
export const answers =
  ({ terminal, say }: Dialogue) =>
  async ({ flag, question, given, proposed, schema, hint }: Question): Promise<string> => {
    const chosen = given ?? (terminal === null ? proposed : undefined);
    if (chosen !== undefined) {
      const wrong = faultOf(schema, chosen);
      if (wrong === null) return chosen;
      throw new ResealError('init-setting', `${flag} ${wrong}`, {
        hint: hint ?? `${flag} is the ${question}`,
      });
    }
    if (terminal === null)
      throw new ResealError('init-setting', `${flag} is needed: the ${question}`, {
        hint: hint ?? `add ${flag}, or run the command on a terminal, where it asks`,
      });
    for (;;) {
      const typed = await terminal.question(`${question}${proposed ? ` [${proposed}]` : ''}: `);
      if (typed === null)
        throw new ResealError('cancelled', 'cancelled; no file was written', {
          hint: `begin again, or add ${flag}`,
        });
      const answer = typed.trim() === '' ? (proposed ?? '') : typed.trim();
      const wrong = faultOf(schema, answer);
      if (wrong === null) return answer;
      say(`  it ${wrong}\n`);
    }
  };
