/* SPDX-License-Identifier: Apache-2.0 */
// nidus: -m 4200M
// expect: 0
/* The memory map is true: each RAM range works at its first and last byte and one page in 64 MiB between, and what is no RAM holds nothing. */
#include "guests/lib/guest.h"

static bool works(u64 gpa)
{
	u64 was = mmio_read(gpa, 1);
	bool ok;

	mmio_write(gpa, 1, was ^ 0xff);
	ok = mmio_read(gpa, 1) == (was ^ 0xff);
	mmio_write(gpa, 1, was);
	return ok;
}

void guest_main(void)
{
	u64 total = 0, end = 0;
	struct ram_range r;

	for (unsigned i = 0; boot_map(i, &r); i++) {
		CHECK(r.len && r.gpa >= end && r.gpa + r.len > r.gpa, "entry %u: [%x, +%x) is empty, unordered or overlaps", i, r.gpa, r.len);
		end = r.gpa + r.len;
		if (r.type != 1)
			continue;
		total += r.len;
		for (u64 at = r.gpa; at < end; at += MiB(64))
			CHECK(works(at), "%x is no RAM", at);
		CHECK(works(end - 1), "%x is no RAM", end - 1);
	}
	CHECK(total > MiB(4199) && total <= MiB(4200), "the RAM ranges sum up to %x", total);
	CHECK(mmio_read(end, 8) == ~0ULL, "something is behind the last range");
	CHECK(mmio_read(X86_LOW_RAM_END - 1, 1) != 0xff, "low RAM ends early");
	CHECK(!works(X86_LOW_RAM_END), "RAM in the PCI window");
}
