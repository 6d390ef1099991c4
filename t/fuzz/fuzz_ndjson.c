/*
 * The bytes are a batch: its lines, put together again, are the batch, and what
 * is said of each does not depend on what stands behind it.
 */

#include "fuzz.h"

#include "wh_command.h"
#include "wh_ndjson.h"


static int
fuzz_decode(const char *line, size_t len)
{
    char           texts[WH_COMMAND_TEXTS];
    wh_error_t     err;
    wh_command_t   command;

    return wh_command_decode(line, len, &command, texts, &err);
}


static void
fuzz_line(const char *line, size_t len)
{
    char  *alone;

    fuzz_check(memchr(line, '\n', len) == NULL);

    alone = fuzz_alloc(len);
    memcpy(alone, line, len);
    fuzz_check(fuzz_decode(alone, len) == fuzz_decode(line, len));
    free(alone);
}


int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    char        *text;
    size_t       left, line_len;
    const char  *p, *line, *expected;

    text = fuzz_alloc(len);
    memcpy(text, data, len);

    p = text;
    left = len;
    expected = text;

    while (wh_ndjson_next(&line, &line_len, &p, &left) == WH_OK) {
        fuzz_check(line == expected);
        fuzz_check(p + left == text + len);
        fuzz_line(line, line_len);

        /* but for the last one there is an LF between them */

        expected = line + line_len + 1;
        fuzz_check(p == expected || (left == 0 && p == line + line_len));
        fuzz_check(p != expected || p[-1] == '\n');
    }

    fuzz_check(left == 0 && p == text + len);
    free(text);

    return 0;
}
