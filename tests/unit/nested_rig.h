/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A VT-d unit on the nested backend in front of one assigned function (vfio_units.h), and a guest's hands on it.
 */
#ifndef TESTS_NESTED_RIG_H
#define TESTS_NESTED_RIG_H

#include "devices/viommu/vtd_regs.h"
#include "tests/unit/vfio_units.h"

#define ROOT 0x10000
#define CTX 0x11000
#define DIR 0x20000
#define PTAB 0x30000
#define IQ 0x40000
#define STATUS 0x50000
#define TABLE_A 0x60000ULL
#define TABLE_B 0x68000ULL
#define RIG_DID 5

static u32 tail, seq;

/* False: the fault hit the start-up itself. */
static inline bool nested_start(void)
{
	vfio_rig_init(&r);
	r.c.viommu = VIOMMU_VTD;
	tail = seq = 0;
	return units_start() == 0;
}

static inline void pe(u64 q0, u64 q1, u64 q2)
{
	poke(PTAB + 8, q1);
	poke(PTAB + 16, q2);
	poke(PTAB, q0);
}

static inline void put_desc(u64 q0, u64 q1)
{
	for (unsigned k = 0; k < 4; k++)
		poke(IQ + tail + 8 * k, k == 0 ? q0 : k == 1 ? q1 : 0);
	tail = (tail + 32) % 0x2000;
}

/* Two descriptors: what to invalidate, and a wait. */
static inline void invalidate(u64 q0, u64 q1)
{
	put_desc(q0, q1);
	put_desc(QI_WAIT | QI_WAIT_SW | (u64)++seq << 32, STATUS);
	wr(VTD_IQT, 4, tail);
}

static inline bool waited(void)
{
	u64 v = 0;

	assert_int_equal(mem_load(r.mem, STATUS, 4, &v), 0);
	return v == seq;
}

/* The structures down to the entry of requests without PASID, which names TABLE_A. */
static inline void structures(void)
{
	poke(ROOT + 16, CTX | ENTRY_P); /* bus 1: below the root port */
	poke(CTX, DIR | CTX_PASIDE | ENTRY_P);
	for (unsigned i = 8; i < 32; i += 8)
		poke(CTX + i, 0);
	poke(DIR, PTAB | ENTRY_P);
	for (unsigned i = 0; i < 64; i += 8)
		poke(PTAB + i, 0);
	pe(PGTT_FIRST << 6 | ENTRY_P, RIG_DID, TABLE_A);
}

static inline void queue_on(void)
{
	wr(VTD_IQT, 4, 0);
	wr(VTD_IQA, 8, IQ | IQA_DW | 1);
	wr(VTD_GCMD, 4, GCMD_QIE);
}

static inline void set_root(u64 rtaddr)
{
	u32 sticky = (u32)rd(VTD_GSTS, 4) & (u32)(GCMD_QIE | GCMD_TE);

	wr(VTD_RTADDR, 8, rtaddr);
	wr(VTD_GCMD, 4, sticky | GCMD_SRTP);
}

static inline void translation_on(void)
{
	structures();
	queue_on();
	set_root(ROOT | 0x400);
	wr(VTD_GCMD, 4, GCMD_QIE | GCMD_TE);
}

/* The first record's reason, which is cleared; 0: none. */
static inline u8 recorded(void)
{
	u64 at = VTD_FRCD + 16 * FIELD_GET(FSTS_FRI, rd(VTD_FSTS, 4)), hi = rd(at + 8, 8);

	if (!(rd(VTD_FSTS, 4) & FSTS_PPF))
		return 0;
	assert_int_equal(FIELD_GET(FRCD_HI_SID, hi), 0x100);
	wr(at + 12, 4, FRCD_HI_F >> 32);
	return (u8)FIELD_GET(FRCD_HI_REASON, hi);
}

static inline bool masters_the_bus(void)
{
	return get_le(fake.cfg + PCI_COMMAND, 2) & PCI_COMMAND_MASTER;
}

#endif
