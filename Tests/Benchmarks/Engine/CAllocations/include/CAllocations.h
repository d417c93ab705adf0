// Counts this program's calls for memory: malloc and its kin are replaced by ones that count and pass on to glibc's.
#pragma once

#include <stdint.h>

uint64_t allocations_so_far(void);
