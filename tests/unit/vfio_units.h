/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The units in front of the assigned functions of a fake host kernel (vfio_fake.h), and a guest's access to their registers and its memory. The
 * test file names: wrap: open64 ioctl pread64 pwrite64 mmap64 close
 */
#ifndef TESTS_VFIO_UNITS_H
#define TESTS_VFIO_UNITS_H

#include "tests/unit/vfio_fake.h"
#include "vmm/units.h"

#define BASE 0xfeb00000ULL
#define PARENT 1 /* stands for the nest parent */

static struct vfio_rig r;
static struct units u;
static unsigned vm_stopped;

static inline void units_failed(void *arg)
{
	vm_stopped++;
}

/* After vfio_rig_init() and changes to r.c: devices opened, no unit yet. */
static inline int units_ready(void)
{
	struct units_env env = { .base = BASE, .haw = 40, .failed = units_failed };
	int status = vfio_create(&r.c, &r.k, r.sys, &r.v);

	vm_stopped = 0;
	env.mmio = &r.pci.bus;
	env.irq = r.pci.irq;
	env.ev = r.ev;
	env.mem = r.mem;
	env.pci = r.pci.host;
	env.identity = &r.dma;
	env.auto_kind = vfio_unit_kind(r.v);
	units_init(&u, &r.c, &env);
	r.ctx.dma_for = units_dma_for;
	r.ctx.dma_arg = &u;
	return status;
}

/* The same, and on to the guest's first instruction. */
static inline int units_start(void)
{
	int status = units_ready();

	return status ? status : vfio_rig_plug(&r);
}

static inline void units_end(void)
{
	fake.fail_at = 0;
	pci_host_destroy(r.pci.host);
	r.pci.host = NULL;
	units_fini(&u);
	vfio_rig_fini(&r);
	assert_int_equal(fake.n_live, 0);
}

static inline void poke(gpa_t gpa, u64 v)
{
	assert_int_equal(mem_store(r.mem, gpa, 8, v), 0);
}

static inline void wr(u64 off, unsigned size, u64 v)
{
	bus_write(&r.pci.bus, BASE + off, size, v);
}

static inline u64 rd(u64 off, unsigned size)
{
	u64 v;

	bus_read(&r.pci.bus, BASE + off, size, &v);
	return v;
}

/* The root of the table in force in the host for the first function; PARENT; 0: nothing passes. */
static inline u64 in_force(void)
{
	if (!fake.attached)
		return 0;
	return fake.attached == vfio_parent(r.v->dev[0]) ? PARENT : fake.root_of[fake.attached % 64];
}

#endif
