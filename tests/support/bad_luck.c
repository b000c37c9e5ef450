/* SPDX-License-Identifier: Apache-2.0
 * Bad luck for a process that is started with LD_PRELOAD.
 *
 *   JUMP=FILE   the wall clock is ahead by the whole seconds in FILE, read again each time; no other clock is touched
 *   NO_FSYNC=1  no disk says that it has written: fsync fails with EIO
 *
 * (libfaketime also bends absolute sleeps on the monotonic clock, which no jump of the real clock does.)
 */
#define _GNU_SOURCE
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

int clock_gettime(clockid_t clock, struct timespec *now)
{
    int failed = syscall(SYS_clock_gettime, clock, now);
    const char *path = getenv("JUMP");
    FILE *file = clock == CLOCK_REALTIME && path ? fopen(path, "r") : NULL;
    long seconds = 0;

    if (file && fscanf(file, "%ld", &seconds) == 1)
        now->tv_sec += seconds;
    if (file)
        fclose(file);
    return failed;
}

time_t time(time_t *also)
{
    struct timespec now;

    clock_gettime(CLOCK_REALTIME, &now);
    if (also)
        *also = now.tv_sec;
    return now.tv_sec;
}

int fsync(int file)
{
    if (!getenv("NO_FSYNC"))
        return syscall(SYS_fsync, file);
    errno = EIO;
    return -1;
}
