/* SPDX-License-Identifier: Apache-2.0 */
/*
 * First-stage tables of any content, walked and walked again through the cache. Input: levels, access, iova (8 bytes), then 8-byte entries that fill the pages
 * in turn. What is promised: an end, a result within its page, and the same answer from the cache.
 */
#include <stdlib.h>

#include "devices/viommu/x86_walk.h"
#include "vmm/mem.h"

#define PAGES 16

int LLVMFuzzerTestOneInput(const u8 *data, size_t size);

static void must(bool ok)
{
	if (!ok)
		abort();
}

static struct mem *ram(void)
{
	static struct mem *mem;
	const struct mem_range r = { .gpa = 0, .len = PAGES * 4096 };

	if (!mem && mem_create(&r, 1, false, &mem) < 0)
		abort();
	return mem;
}

int LLVMFuzzerTestOneInput(const u8 *data, size_t size)
{
	struct s1_config cfg = { .kind = S1_TABLE, .tag = 1 };
	struct s1_xlat x, y;
	struct s1_backend b;
	struct s1_dev *dev;
	enum s1_fault_kind why;
	iova_t iova;
	bool write;

	if (size < 10)
		return 0;
	must(mem_zero(ram(), 0, PAGES * 4096) == 0);
	cfg.table.levels = data[0] & 1 ? 5 : 4;
	cfg.table.root = (gpa_t)(data[0] >> 1) % (PAGES + 1) * 4096;
	write = data[1] & 1;
	iova = get_le(data + 2, 8);
	/* Entry i goes to the slot that the address selects in page i, then to the slots beside it: short inputs reach deep. */
	for (size_t i = 0; 10 + 8 * i + 8 <= size; i++) {
		unsigned level = (unsigned)(i % 5);
		u64 slot = ((iova >> (12 + 9 * (4 - level))) + i / PAGES) & 511;

		must(mem_store(ram(), i % PAGES * 4096 + 8 * slot, 8, get_le(data + 10 + 8 * i, 8)) == 0);
	}
	must(backend_soft_create(ram(), 40, &b) == 0);
	must(b.ops->dev_add(b.be, NULL, &dev) == 0);
	why = b.ops->translate(b.be, dev, 0, &cfg, iova, write, &x);
	must(why < S1_FAULT_KINDS);
	if (!why) {
		must((x.shift == 12 || x.shift == 21 || x.shift == 30) && IS_ALIGNED(x.gpa, BIT(x.shift)) && !(x.gpa >> 40));
		must(!write || x.writable);
		must(b.ops->translate(b.be, dev, 0, &cfg, iova, write, &y) == S1_FAULT_NONE && y.gpa == x.gpa && y.shift == x.shift);
		/* A write after a read was cached goes by what the tables say of writes. */
		must(b.ops->translate(b.be, dev, 0, &cfg, iova, true, &y) != S1_FAULT_NONE || y.writable);
	}
	b.ops->dev_del(b.be, dev);
	b.ops->destroy(b.be);
	return 0;
}
