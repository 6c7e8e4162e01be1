#!/usr/bin/env python3
"""tests/unit/protocol/generate_check.py - a mistake in a schema is named with its file and line.

usage: generate_check.py GENERATE_PY
"""
import os
import subprocess
import sys
import tempfile

# An API, because there is always one; the rest of what a folder of schemas holds.
OTHERS = (
    ('api.schema', 'request PingRequest 0 versions 0 on broker\n\n'
     'response PingResponse 0 versions 0\n'),
    ('errors.tsv', 'code\tname\tretriable\n0\tNONE\tn\n'))
# The name of the case, the schema, and what the generator must say ("" for nothing).
CASES = (
    ('a_whole_schema', 'data Message versions 0-3 flexible 2+\n'
     '    Name  string  0+  nullable 1+ = null\n'
     '    Sub   Part    2+  tag 0\n        Id  int32  2+  = -1\n', ''),
    ('comments_and_blank_lines',
     '# what\n\ndata Message versions 0 # these\n    Id  int8  0+\n', ''),
    ('unknown_kind', 'datum Message versions 0\n', '1: expected a message or a struct'),
    ('message_without_versions', 'data Message\n', '1: Message says no versions'),
    ('request_without_key', 'request Message versions 0\n', '1: Message needs a key'),
    ('request_without_response', 'request Message 5 versions 0\n', '1: Message has no response'),
    ('unknown_listener', 'request Message 5 versions 0 on nobody\n', '1: no listener "nobody"'),
    ('key_taken_twice', 'metadata One 5 versions 0\nmetadata Two 5 versions 0\n',
     '2: a second metadata with key 5 (One)'),
    ('range_backwards', 'data Message versions 3-1\n', '1: the range "3-1" is empty or too large'),
    ('not_a_range', 'data Message versions 0\n    Id  int8  x\n',
     '2: "x" is not a range of versions'),
    ('field_without_versions', 'data Message versions 0\n    Id  int8\n',
     '2: a field is: name type versions ...'),
    ('unknown_type', 'data Message versions 0\n    Id  int7  0+\n', '2: Id: no type int7'),
    ('unknown_word', 'data Message versions 0\n    Id  int8  0+  maybe\n', '2: unexpected "maybe"'),
    ('odd_indentation', 'data Message versions 0\n   Id  int8  0+\n',
     '2: indentation is by 4 spaces'),
    ('indented_too_deep', 'data Message versions 0\n        Id  int8  0+\n',
     '2: indented below nothing'),
    ('field_twice', 'data Message versions 0\n    Id  int8  0+\n    Id  int8  0+\n',
     '3: a second Id in Message'),
    ('struct_twice', 'data Message versions 0\n    A  Part  0+\n        Id  int8  0+\n'
     '    B  Part  0+\n        Id  int8  0+\n', '4: a second struct Part in Message'),
    ('tag_twice', 'data Message versions 0 flexible 0+\n'
     '    A  int8  0+  tag 0\n    B  int8  0+  tag 0\n',
     '1: Message uses a tag twice'),
    ('tag_in_a_rigid_version', 'data Message versions 0-1 flexible 1+\n    A  int8  0+  tag 0\n',
     '2: A: tagged in a version that is not flexible'),
    ('tagged_records', 'data Message versions 0 flexible 0+\n    A  records  0+  tag 0\n',
     '2: A: records stand alone and untagged'),
    ('nullable_number', 'data Message versions 0\n    A  int8  0+  nullable\n',
     '2: A: a int8 is never null'),
    ('null_without_nullable', 'data Message versions 0\n    A  string  0+  = null\n',
     '2: A: null by default, but never nullable'),
    ('default_out_of_range', 'data Message versions 0\n    A  int8  0+  = 128\n',
     '2: A: no default "128" for this type'),
    ('default_of_another_type', 'data Message versions 0\n    A  bool  0+  = 1\n',
     '2: A: no default "1" for this type'),
    ('struct_in_itself', 'data Message versions 0\n    A  Part  0+\n        B  Part  0+\n',
     '2: Part contains itself'),
    ('struct_too_young', 'data Message versions 0-1\n    A  Part  0+\n\n'
     'struct Part 1+\n    B  int8  1+\n',
     '2: A: in versions that Part does not have'),
    ('same_c_name', 'data OneTwo versions 0\n\n'
     'data One versions 0\n    A  Two  0+\n        B  int8  0+\n',
     '1: struct one_two is also made at'),
    ('nine_deep', 'data Message versions 0\n' + ''.join(
        '%sF  S%d  0+\n' % ('    ' * i, i) for i in range(1, 9)) + '    ' * 9 + 'F  int8  0+\n',
     '1: structs nest more than 8 deep'),
)


def run(generate, text):
    """What the generator said about this schema, the folder left out."""
    with tempfile.TemporaryDirectory() as folder:
        for name, content in OTHERS + (('x.schema', text),):
            with open(os.path.join(folder, name), 'w', encoding='utf-8') as out:
                out.write(content)
        done = subprocess.run([sys.executable, generate, folder, folder], text=True, timeout=60,
                              stderr=subprocess.PIPE, check=False)
        said = done.stderr.strip().replace(os.path.join(folder, 'x.schema') + ':', '')
        if (done.returncode != 0) != (said != ''):
            said += ' (status %d)' % done.returncode
        return said


def main(generate):
    failed = 0
    for name, text, want in CASES:
        said = run(generate, text)
        good = said.startswith(want) if want else said == ''
        failed += not good
        print('%s %s%s' % ('ok' if good else 'not ok', name, '' if good else ': ' + said))
    sys.exit(failed > 0)


if __name__ == '__main__':
    main(*sys.argv[1:])
