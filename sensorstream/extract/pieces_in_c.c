/* Pieces of memory and of a file laid end to end: see pieces_in_c.py. */

#include <errno.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

#define ENDED (-1)

/* A piece stands in memory, at `starts`, or in the file, at that offset, where `in_file` says so. Returns what `errno`
   says of a failure, ENDED where the file is shorter than a piece. */
int laid(int file, int64_t pieces, const int64_t *starts, const int64_t *sizes, const uint8_t *in_file, uint8_t *into)
{
    for (int64_t piece = 0; piece < pieces; piece++) {
        int64_t start = starts[piece], left = sizes[piece];
        if (!in_file[piece]) {
            memcpy(into, (const void *)(intptr_t)start, (size_t)left);
            into += left;
            continue;
        }
        while (left) {
            const ssize_t got = pread(file, into, (size_t)left, start);
            if (got < 0 && errno == EINTR)
                continue;
            if (got <= 0)
                return got < 0 ? errno : ENDED;
            into += got, start += got, left -= got;
        }
    }
    return 0;
}
