/* SPDX-License-Identifier: Apache-2.0 */
// wrap: open64 ioctl pread64 pwrite64 mmap64 close
/*
 * The VT-d unit on the nested backend, on a host that refuses any one call: the guest writes tables and descriptors, and what is
 * attached in the host is what it asked for, or nothing.
 */
#include "tests/unit/unit.h"

#include "devices/viommu/vtd_regs.h"
#include "tests/unit/vfio_fake.h"
#include "vmm/units.h"

#define BASE 0xfeb00000ULL
#define ROOT 0x10000
#define CTX 0x11000
#define DIR 0x20000
#define PTAB 0x30000
#define IQ 0x40000
#define STATUS 0x50000
#define TABLE_A 0x60000ULL
#define TABLE_B 0x68000ULL
#define CTX_PASIDE_BIT BIT(3)

static struct vfio_rig r;
static struct units u;
static u32 tail, seq;
static unsigned vm_stopped;

static void failed(void *arg)
{
	vm_stopped++;
}

static void poke(gpa_t gpa, u64 v)
{
	assert_int_equal(mem_store(r.mem, gpa, 8, v), 0);
}

static void wr(u64 off, unsigned size, u64 v)
{
	bus_write(&r.pci.bus, BASE + off, size, v);
}

/* False: the fault hit the start-up itself. */
static bool start(void)
{
	struct units_env env = { .base = BASE, .haw = 40, .failed = failed };

	vfio_rig_init(&r);
	r.c.viommu = VIOMMU_VTD;
	vm_stopped = 0;
	env.mmio = &r.pci.bus;
	env.irq = r.pci.irq;
	env.ev = r.ev;
	env.mem = r.mem;
	env.identity = &r.dma;
	units_init(&u, &r.c, &env);
	r.ctx.dma_for = units_dma_for;
	r.ctx.dma_arg = &u;
	tail = seq = 0;
	return vfio_rig_start(&r) == 0;
}

static void end(void)
{
	fake.fail_at = 0;
	units_fini(&u);
	vfio_rig_fini(&r);
	assert_int_equal(fake.n_live, 0);
}

static void pe(u64 q0, u64 q2)
{
	poke(PTAB + 8, 5);
	poke(PTAB + 16, q2);
	poke(PTAB, q0);
}

/* Two descriptors: what to invalidate, and a wait. */
static void invalidate(u64 q0, u64 q1)
{
	const u64 d[2][2] = { { q0, q1 }, { QI_WAIT | QI_WAIT_SW | (u64)++seq << 32, STATUS } };

	for (unsigned i = 0; i < 2; i++) {
		for (unsigned k = 0; k < 4; k++)
			poke(IQ + tail + 8 * k, k < 2 ? d[i][k] : 0);
		tail = (tail + 32) % 0x2000;
	}
	wr(VTD_IQT, 4, tail);
}

static bool waited(void)
{
	u64 v = 0;

	assert_int_equal(mem_load(r.mem, STATUS, 4, &v), 0);
	return v == seq;
}

static void translation_on(void)
{
	poke(ROOT + 16, CTX | 1); /* bus 1: below the root port */
	poke(CTX, DIR | CTX_PASIDE_BIT | 1);
	poke(CTX + 8, 0);
	poke(DIR, PTAB | 1);
	pe(1 << 6 | 1, TABLE_A);
	wr(VTD_IQT, 4, 0);
	wr(VTD_IQA, 8, IQ | IQA_DW | 1);
	wr(VTD_GCMD, 4, GCMD_QIE);
	wr(VTD_RTADDR, 8, ROOT | 0x400);
	wr(VTD_GCMD, 4, GCMD_QIE | GCMD_SRTP);
	wr(VTD_GCMD, 4, GCMD_QIE | GCMD_TE);
}

static void to_table_b(void)
{
	pe(1 << 6 | 1, TABLE_B);
	invalidate(QI_PC | 3 << 4, 0);
}

static void to_pass(void)
{
	pe(4 << 6 | 1, 0);
	invalidate(QI_PC | 3 << 4, 0);
}

/* A second-stage entry is nothing that this unit has. */
static void to_malformed(void)
{
	pe(2 << 6 | 1, TABLE_A);
	invalidate(QI_PC | 3 << 4, 0);
}

static void flush_domain(void)
{
	invalidate(QI_PIOTLB | 2 << 4 | 5 << 16, 0);
}

static void translation_off(void)
{
	wr(VTD_GCMD, 4, GCMD_QIE);
}

#define PARENT 1 /* stands for the nest parent */
static const struct {
	void (*step)(void);
	u64 root; /* of the table in force afterwards; PARENT; 0: blocked */
} steps[] = {
	{ translation_on, TABLE_A }, { to_table_b, TABLE_B }, { flush_domain, TABLE_B }, { to_malformed, 0 }, { to_pass, PARENT },
	{ to_table_b, TABLE_B }, { translation_off, PARENT },
};

static u64 in_force(void)
{
	if (!fake.attached)
		return 0;
	return fake.attached == vfio_parent(r.v->dev[0]) ? PARENT : fake.root_of[fake.attached % 64];
}

static void test_nested_vtd_host_follows_the_guest(void **state)
{
	assert_true(start());
	assert_int_equal(in_force(), PARENT);
	for (unsigned i = 0; i < ARRAY_SIZE(steps); i++) {
		unsigned calls = fake.n_inv_calls;

		steps[i].step();
		assert_int_equal(in_force(), steps[i].root);
		assert_true(waited());
		if (steps[i].step == flush_domain)
			assert_int_equal(fake.n_inv_calls, calls + 1);
	}
	assert_int_equal(vm_stopped, 0);
	end();
}

static void test_nested_vtd_any_call_failing_blocks(void **state)
{
	unsigned last = 0;

	for (unsigned n = 1; n <= 200 && (n == 1 || last >= n - 1); n++) {
		assert_true(start());
		put_le(fake.cfg + PCI_COMMAND, 2, PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER);
		last = fake.calls;
		fake.fail_at = last + n;
		for (unsigned i = 0; i < ARRAY_SIZE(steps); i++) {
			bool cut;

			steps[i].step();
			cut = !(get_le(fake.cfg + PCI_COMMAND, 2) & PCI_COMMAND_MASTER);
			/* What it should be, nothing at all, or a device that masters the bus no more and a VM that is stopped. */
			if (in_force() && in_force() != steps[i].root)
				assert_true(cut && vm_stopped);
		}
		last = fake.calls - last;
		end();
	}
	assert_in_range(last, 5, 100);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_nested_vtd_host_follows_the_guest),
		cmocka_unit_test(test_nested_vtd_any_call_failing_blocks),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
