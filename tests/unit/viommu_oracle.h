/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A random stream of table changes, invalidations and DMA against a walk without any cache. For every (device, PASID, page) the oracle knows what the
 * tables say now and what they said since the last completed invalidation that covered it. A request must get one of these answers, and a refusal only
 * if the tables refuse now. NIDUS_STEPS sets the number of steps. Included after vtd_rig.h or amdvi_rig.h, by one that defines `oracle` and runs oracle_main().
 */
#ifndef NIDUS_VIOMMU_ORACLE_H
#define NIDUS_VIOMMU_ORACLE_H

#include "tests/unit/viommu_bench.h"

#define TABLES 4
#define PAGES 16 /* 0-7: 4 KiB pages; 8-15: the same, or parts of one 2 MiB page */
#define SPACES (RIG_FNS * 3)
#define MAX_OLD 6

/* One (device, PASID): the table and domain that its PASID entry names. */
struct space {
	unsigned dev, table;
	u32 pasid; /* 0: requests without */
	u16 did;
	unsigned n_old[PAGES];
	u64 old[PAGES][MAX_OLD];
};

/* How the guest of one model says each thing; every one is complete on return. */
struct oracle {
	void (*all)(void);
	void (*tag)(u32 did);
	void (*pasid)(u32 did, u32 pasid);
	void (*range)(u32 did, u32 pasid, iova_t base, unsigned am); /* 2^am pages */
	void (*nothing)(bool other); /* changes nothing that is in use */
	void (*set)(struct space *s); /* puts the space's table and domain in force, whatever was before */
};

static struct space spaces[SPACES];
static const struct oracle oracle;
static u64 seed = 20240607;

static iova_t page_iova(unsigned page)
{
	return page < 8 ? 0x1000ULL * page : 0x200000 + 0x1000ULL * page;
}

static gpa_t pde_at(unsigned table)
{
	return PT(table) + 0x2000 + 8;
}

/* Page tables of the upper eight pages lie beside the others. */
static gpa_t pte_at(unsigned table, unsigned page)
{
	return PT(table) + (page < 8 ? 0x3000 : 0x4000) + 8 * (page_iova(page) >> 12 & 511);
}

/* The leaf as the tables say now, as if each page were one of 4 KiB. */
static u64 leaf(unsigned table, unsigned page)
{
	u64 pde = peek(&rig, pde_at(table));

	if (page >= 8 && (pde & 0x80))
		return (pde & ~0x80ULL) + (page_iova(page) & 0x1fffff);
	return peek(&rig, pte_at(table, page));
}

static gpa_t answer(u64 pte, bool write)
{
	return (pte & 5) != 5 || (write && !(pte & 2)) ? ~0ULL : pte & 0xfffffffff000;
}

static void remember(unsigned table, unsigned page)
{
	for (unsigned i = 0; i < SPACES; i++) {
		struct space *s = &spaces[i];

		if (s->table == table && s->n_old[page] < MAX_OLD)
			s->old[page][s->n_old[page]++] = leaf(table, page);
	}
}

static bool full(unsigned table)
{
	for (unsigned i = 0; i < SPACES; i++) {
		for (unsigned p = 0; p < PAGES && spaces[i].table == table; p++) {
			if (spaces[i].n_old[p] == MAX_OLD)
				return true;
		}
	}
	return false;
}

static void forget(int did, int pasid, iova_t from, iova_t to)
{
	for (unsigned i = 0; i < SPACES; i++) {
		struct space *s = &spaces[i];

		for (unsigned p = 0; p < PAGES; p++) {
			if ((did < 0 || s->did == did) && (pasid < 0 || s->pasid == (u32)pasid) && page_iova(p) >= from && page_iova(p) <= to)
				s->n_old[p] = 0;
		}
	}
}

static void random_invalidation(void)
{
	u32 did = 1 + rnd(&seed) % 4, pasid = rnd(&seed) % 3;
	unsigned am = rnd(&seed) % 11;
	iova_t at = page_iova(rnd(&seed) % PAGES), base = ALIGN_DOWN(at, 4096ULL << am);

	switch (rnd(&seed) % 8) {
	case 0:
		oracle.all();
		forget(-1, -1, 0, ~0ULL);
		return;
	case 1:
		oracle.tag(did);
		forget((int)did, -1, 0, ~0ULL);
		return;
	case 2:
		oracle.pasid(did, pasid);
		forget((int)did, (int)pasid, 0, ~0ULL);
		return;
	case 3: /* changes nothing that is in use */
		oracle.nothing(rnd(&seed) & 1);
		return;
	default:
		oracle.range(did, pasid, base, am);
		forget((int)did, (int)pasid, base, base + ((4096ULL << am) - 1));
	}
}

static u64 random_pte(void)
{
	/* 0x45: read-only, and written before that. */
	static const u64 bits[] = { 7, 7, 7, 5, 5, 0, 3, 0x45 };

	return (0x100000 + 0x1000 * (rnd(&seed) % 256)) | bits[rnd(&seed) % ARRAY_SIZE(bits)];
}

static void random_change(void)
{
	unsigned table = rnd(&seed) % TABLES, page = rnd(&seed) % PAGES;

	if (full(table)) {
		oracle.all();
		forget(-1, -1, 0, ~0ULL);
	}
	if (rnd(&seed) % 8) {
		remember(table, page);
		poke(&rig, pte_at(table, page), random_pte());
		return;
	}
	for (unsigned p = 8; p < PAGES; p++)
		remember(table, p);
	if (peek(&rig, pde_at(table)) & 0x80)
		poke(&rig, pde_at(table), (PT(table) + 0x4000) | PTE_RWU);
	else
		poke(&rig, pde_at(table), (MiB(2) * (1 + rnd(&seed) % 6)) | 0x80 | (rnd(&seed) & 1 ? 7 : 0x45));
}

static void set_entry(struct space *s)
{
	s->table = rnd(&seed) % TABLES;
	s->did = (u16)(1 + rnd(&seed) % 4);
	memset(s->n_old, 0, sizeof(s->n_old));
	oracle.set(s);
}

static void dma_agrees(const struct space *s, unsigned page, bool write)
{
	u32 pasid = s->pasid ? s->pasid : DMA_NO_PASID;
	const struct mem_slot *slot;
	struct dma_span span;
	struct iovec iov;
	gpa_t now = answer(leaf(s->table, page), write), got = ~0ULL;
	bool known;

	mem_slots(rig.mem, &slot);
	if (dma_get_pasid(rig.dma[s->dev], pasid, page_iova(page), 8, write ? DMA_WRITE : DMA_READ, &span, &iov, 1) > 0) {
		got = (gpa_t)((char *)iov.iov_base - (char *)slot->hva);
		dma_put(&span);
	}
	known = got == now;
	for (unsigned i = 0; i < s->n_old[page] && got != ~0ULL; i++)
		known |= got == answer(s->old[page][i], write);
	if (!known)
		fail_msg("device %u PASID %u page %u: 0x%llx, the tables say 0x%llx", s->dev, s->pasid, page, (unsigned long long)got,
			 (unsigned long long)now);
}

static void test_random_stream_agrees_with_a_walk_without_cache(void **state)
{
	const char *env = getenv("NIDUS_STEPS");
	u64 steps = env ? strtoull(env, NULL, 0) : 20000;

	for (u64 i = 0; i < steps; i++) {
		struct space *s = &spaces[rnd(&seed) % SPACES];
		u64 what = rnd(&seed) % 100;

		if (what < 1)
			set_entry(s);
		else if (what < 10)
			random_invalidation();
		else if (what < 30)
			random_change();
		else
			dma_agrees(s, rnd(&seed) % PAGES, rnd(&seed) & 1);
	}
}

static int setup(void **state)
{
	log_set_level(LOG_ERROR);
	setup_soft(state);
	guest_structures(&rig);
	guest_up(&rig);
	for (unsigned t = 0; t < TABLES; t++)
		poke(&rig, pde_at(t), (PT(t) + 0x4000) | PTE_RWU);
	for (unsigned i = 0; i < SPACES; i++) {
		spaces[i] = (struct space){ .dev = i / 3, .pasid = i % 3 };
		set_entry(&spaces[i]);
	}
	return 0;
}

static inline int oracle_main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_random_stream_agrees_with_a_walk_without_cache, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

#endif
