import { NAMING_RULES } from '../../jobs/contract/field-names.ts';
import { type Rule, wrong } from './rule.ts';

/** Names of fields and of their columns. */
export const fieldRules: Rule[] = NAMING_RULES.map(({ reads, fault }) => ({
  reads,
  judge: (settings) => {
    const message = fault(settings);
    return message === null ? [] : wrong('fields', message);
  },
}));
