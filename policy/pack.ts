import { PolicyPack, type PolicyResource, type ResourceValidationArgs } from '@pulumi/policy';
import * as pulumi from '@pulumi/pulumi';
import type { Subject } from './rule.ts';
import { contextOf, resourceRules, stackRules } from './rules.ts';

const context = contextOf(pulumi.runtime.allConfig(), pulumi.getStack());

const subjectOf = ({ type, name, props, opts }: ResourceValidationArgs | PolicyResource): Subject => ({
  type,
  name,
  props,
  protect: opts.protect,
});

/** The pack as the engine serves it: `pulumi up --policy-pack policy`. Every rule is mandatory. */
export const pack = new PolicyPack('reseal', {
  enforcementLevel: 'mandatory',
  policies: [
    ...resourceRules.map(({ name, description, check }) => ({
      name,
      description,
      validateResource: (args: ResourceValidationArgs, report: (message: string) => void) => {
        for (const message of check(subjectOf(args), context)) report(`${args.name} ${message}`);
      },
    })),
    ...stackRules.map(({ name, description, check }) => ({
      name,
      description,
      validateStack: (args: { resources: PolicyResource[] }, report: (message: string) => void) => {
        for (const message of check(args.resources.map(subjectOf), context)) report(message);
      },
    })),
  ],
});
