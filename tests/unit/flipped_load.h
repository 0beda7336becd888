/* SPDX-License-Identifier: Apache-2.0 */
/* Another vCPU that changes an entry each time right before it is read. The test file names: wrap: mem_load */
#ifndef NIDUS_FLIPPED_LOAD_H
#define NIDUS_FLIPPED_LOAD_H

#include "vmm/mem.h"

static gpa_t flip_at;
static u64 flip_mask;
static unsigned loads, flips_left; /* to be 0 at the start of a test */

int __real_mem_load(const struct mem *m, gpa_t gpa, unsigned size, u64 *val);
int __wrap_mem_load(const struct mem *m, gpa_t gpa, unsigned size, u64 *val)
{
	u64 v;

	loads++;
	if (gpa == flip_at && flips_left && __real_mem_load(m, gpa, 8, &v) == 0 && mem_store(m, gpa, 8, v ^ flip_mask) == 0)
		flips_left--;
	return __real_mem_load(m, gpa, size, val);
}

#endif
