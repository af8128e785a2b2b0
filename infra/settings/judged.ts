import { z } from 'zod';

/** A text of which a function says what is wrong, as the end of a sentence that begins with the setting's name, or null. */
export const judged = (error: string, faultOf: (text: string) => string | null) =>
  z.string({ error }).superRefine((text, context) => {
    const message = faultOf(text);
    if (message !== null) context.addIssue(message);
  });
