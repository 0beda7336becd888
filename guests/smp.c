/* SPDX-License-Identifier: Apache-2.0 */
// nidus: -m 128M -c 64 -p cpus=64
// nidus: -m 128M -c 3 -p cpus=3
// nidus: -m 128M -c 1 -p cpus=1
// expect: 0
/* Every CPU comes up once, with an APIC id of its own that its registers and CPUID leaves 1 and 0xb agree on. */
#include "guests/lib/guest.h"

static volatile u32 ids[GUEST_CPUS];
static volatile unsigned done;
static struct lock lock;

/* Leaf 0xb: each level's shift grows, the last one holds every CPU, and edx is the id. */
static void report(unsigned index)
{
	u32 id = lapic_id(), n = (u32)boot_option("cpus", 1), a[4], last = 0, shift = 0;

	lock_take(&lock);
	cpu_id(1, 0, a);
	CHECK(a[1] >> 24 == (id & 0xff), "CPU %u: leaf 1 has id %u, its APIC %u", index, a[1] >> 24, id);
	for (unsigned level = 0; level < 8; level++) {
		cpu_id(0xb, level, a);
		CHECK(a[3] == id, "CPU %u: leaf 0xb has id %u, its APIC %u", index, a[3], id);
		if (!(a[2] & 0xff00))
			break;
		CHECK(a[0] >= shift, "CPU %u: leaf 0xb shifts shrink", index);
		shift = a[0];
		last = a[1];
	}
	CHECK(last == n, "CPU %u: leaf 0xb tells of %u CPUs, there are %u", index, last, n);
	CHECK(id >> shift == 0, "CPU %u: id %u does not fit %u bits", index, id, shift);
	ids[index] = id;
	done++;
	lock_give(&lock);
}

void guest_main(void)
{
	unsigned n = (unsigned)boot_option("cpus", 1), up;

	up = smp_start(n, report);
	CHECK(up == n, "%u of %u CPUs came up", up, n);
	report(0);
	for (u64 start = cpu_ticks(); done < n;) {
		CHECK(cpu_ticks() - start < PATIENCE, "%u of %u CPUs reported", done, n);
		cpu_relax();
	}
	for (unsigned i = 0; i < n; i++) {
		for (unsigned j = 0; j < i; j++)
			CHECK(ids[i] != ids[j], "CPUs %u and %u have the same id %u", i, j, ids[i]);
	}
}
