/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One walk of x86-64 page tables as an IOMMU's first stage does it (VT-d specification section 3.6; AMD's v2 tables are the same).
 * Every entry is fetched once per pass; the depth is fixed, so tables that point at themselves end too.
 */
#ifndef NIDUS_X86_WALK_H
#define NIDUS_X86_WALK_H

#include "devices/viommu/s1.h"

/* The interrupt range: never the target of DMA. */
#define X86_MSI_BASE 0xFEE00000ULL
#define X86_MSI_LEN 0x100000ULL

struct x86_walk {
	const struct mem *mem;
	const struct s1_table *table;
	u8 haw;       /* address bits at or above this are reserved */
	bool page_1g;
};

/*
 * Translates one page for a user request and sets A in every entry used, and D in the leaf on a write, by compare-and-swap on the entry
 * examined; nothing is set when the request faults. S1_FAULT_NONE and *out, or why not; then out->gpa is the entry that could not be read, where it is that.
 * Any thread, no lock.
 */
enum s1_fault_kind x86_walk(const struct x86_walk *w, iova_t iova, bool write, struct s1_xlat *out);

#endif
