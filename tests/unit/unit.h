/* SPDX-License-Identifier: Apache-2.0 */
/* What every unit test includes: cmocka in the order that it needs, and a small random generator with a fixed seed. */
#ifndef NIDUS_UNIT_H
#define NIDUS_UNIT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <errno.h>
#include <cmocka.h>

#include "vmm/bits.h"

static inline u64 rnd(u64 *state)
{
	*state ^= *state << 13;
	*state ^= *state >> 7;
	*state ^= *state << 17;
	return *state;
}

#endif
