/**
 * Whether a stack is production, by its name alone (prod, production, eu-prod …), so that no setting can
 * turn production's rules off. The settings and the policy pack ask here.
 */
export function isProduction(stack: string): boolean {
  return /(^|-)prod(uction)?$/.test(stack);
}
