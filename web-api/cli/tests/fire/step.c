/* The clock of the machine as a process sees it, set by a test: the seconds in the file that SAHAKAR_TEST_CLOCK
   names are added to CLOCK_REALTIME. The clock that only runs is left alone, as the kernel leaves it alone when a
   clock is set. Preloaded; nothing of it is in the program. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

int clock_gettime(clockid_t clock, struct timespec *now) {
    int result = (int)syscall(SYS_clock_gettime, clock, now);
    const char *path = getenv("SAHAKAR_TEST_CLOCK");
    if (result == 0 && clock == CLOCK_REALTIME && path != NULL) {
        char text[32] = {0};
        int file = open(path, O_RDONLY | O_CLOEXEC);
        if (file >= 0) {
            if (read(file, text, sizeof text - 1) > 0) now->tv_sec += strtoll(text, NULL, 10);
            close(file);
        }
    }
    return result;
}
