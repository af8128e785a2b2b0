import { assign, choose, expression, request, type Step, type Subworkflow } from './steps.ts';

/** The lines that matter have some hundred characters and are the driver's last but a few. */
const TAIL_BYTES = 8192;

/** How each of the application's own lines begins; docs/spark.md lists them. */
const START = '"{\\"reseal\\""';

/** Reads the end of the driver's last object; Dataproc numbers them as they fill. */
const tail: Step[] = [
  {
    locate_output: assign({
      bucket: expression('text.split(output, "/")[2]'),
      objects: expression('"https://storage.googleapis.com/storage/v1/b/" + bucket + "/o"'),
      prefix: expression('text.substring(output, len(bucket) + 6, len(output))'),
    }),
  },
  {
    list_objects: request(
      'get',
      { url: expression('objects'), query: { prefix: expression('prefix') } },
      'listed',
    ),
  },
  { keep_objects: assign({ none: [], found: expression('default(map.get(listed.body, "items"), none)') }) },
  { has_objects: choose({ 'len(found) == 0': 'has_read' }) },
  { name_last_object: assign({ last: expression('text.url_encode(found[len(found) - 1].name)') }) },
  {
    read_tail: request(
      'get',
      {
        url: expression('objects + "/" + last'),
        query: { alt: 'media' },
        headers: { Range: `bytes=-${TAIL_BYTES}` },
      },
      'object',
    ),
  },
  { keep_content: assign({ content: expression('object.body') }) },
  { is_text: choose({ 'get_type(content) != "bytes"': 'read_lines' }) },
  { decode_content: assign({ content: expression('text.decode(content)') }) },
];

/** The last line of counts, and the last of an error. */
const lines: Step[] = [
  {
    read_lines: {
      for: {
        value: 'piece',
        in: expression(`text.split(content, ${START})`),
        steps: [
          {
            which_line: choose(
              {
                'text.match_regex(piece, "^: ?\\"counts\\"")': 'parse_counts',
                'text.match_regex(piece, "^: ?\\"error\\"")': 'parse_error',
              },
              'continue',
            ),
          },
          {
            parse_counts: assign({ line: expression(`json.decode(${START} + text.split(piece, "\\n")[0])`) }),
          },
          {
            keep_counts: { ...assign({ kms_calls: expression('string(line.kms_calls)') }), next: 'continue' },
          },
          {
            parse_error: assign({ line: expression(`json.decode(${START} + text.split(piece, "\\n")[0])`) }),
          },
          { keep_error: assign({ code: expression('line.code'), message: expression('line.message') }) },
        ],
      },
    },
  },
];

/**
 * What the application said in the driver's output: its KMS calls, or the code and message that it failed
 * with; empty texts where it said nothing, as a jar of the user's own does. It is no reason to fail when the
 * output cannot be read: the rows themselves are verified.
 */
export const driverOutputSubworkflow: Subworkflow = {
  params: ['output'],
  steps: [
    { expect_nothing: assign({ kms_calls: '', code: '', message: '' }) },
    { has_output: choose({ 'output == ""': 'return_what_was_said' }) },
    {
      read_output: {
        try: { steps: [...tail, ...lines, { has_read: assign({ output: '' }) }] },
        except: { as: 'e', steps: [{ ignore_unreadable: assign({ output: '' }) }] },
      },
    },
    {
      return_what_was_said: {
        return: {
          kms_calls: expression('kms_calls'),
          code: expression('code'),
          message: expression('message'),
        },
      },
    },
  ],
};
