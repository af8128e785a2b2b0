/**
 * A stack's name is part of service account ids, which end at 30 characters: 14 are left beside the longest,
 * `reseal-…-workflow`. https://cloud.google.com/iam/docs/service-accounts-create
 */
export const STACK_NAME = /^[a-z][a-z0-9-]{0,12}[a-z0-9]$/;

/** The same in words. */
export const STACK_NAME_RULE = '2 to 14 lower-case letters, digits and hyphens';

/**
 * Whether a stack is production, by its name alone (prod, production, eu-prod …), so that no setting can
 * turn production's rules off. The settings and the policy pack ask here.
 *
 * @example
 * isProduction('eu-prod'); // true
 */
export function isProduction(stack: string): boolean {
  return /(^|-)prod(uction)?$/.test(stack);
}

/**
 * What a stack's bucket is called unless its settings name it; bucket names are global, hence the project.
 *
 * @example
 * bucketName('my-project', 'dev'); // 'my-project-reseal-dev'
 */
export const bucketName = (project: string, stack: string): string => `${project}-reseal-${stack}`;

/**
 * What a stack's key ring is called unless its settings name it.
 *
 * @example
 * keyRingId('dev'); // 'reseal-dev'
 */
export const keyRingId = (stack: string): string => `reseal-${stack}`;
