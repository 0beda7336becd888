/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/pci_rig.h"
#include "tests/unit/unit.h"

static u64 seed;

static u32 pick(u32 n)
{
	return (u32)(rnd(&seed) >> 33) % n;
}

struct range {
	u64 at, len;
};

struct found {
	struct rig *r;
	struct range bar[1024];
	unsigned n;
};

/* Properties of one function: aligned, in a window of the host, in a window of the port above, distinct from everything seen. */
static void judge(struct pci_fn *fn, void *arg)
{
	struct found *f = arg;
	const struct pci_map *m = pci_host_map(f->r->host);

	for (unsigned i = 0; i < PCI_BARS; i++) {
		const struct pci_bar *b = &fn->bar[i];
		u64 at = b->size ? pci_bar_addr(fn, i) : 0;
		struct pci_window mem, pref;

		if (!b->size)
			continue;
		assert_true(IS_ALIGNED(at, b->size));
		if (b->is64 && b->prefetch)
			assert_true(range_within(at, b->size, m->mem64, pci_host_mem64_len(f->r->host)));
		else
			assert_true(range_within(at, b->size, m->mem32, m->mem32_len));
		if (fn->parent) {
			pci_bridge_windows(fn->parent, &mem, &pref);
			if (b->is64 && b->prefetch)
				assert_true(at >= pref.base && at + b->size - 1 <= pref.last);
			else
				assert_true(at >= mem.base && at + b->size - 1 <= mem.last);
		}
		for (unsigned j = 0; j < f->n; j++)
			assert_false(range_overlaps(at, b->size, f->bar[j].at, f->bar[j].len));
		f->bar[f->n++] = (struct range){ at, b->size };
	}
}

/* Windows of ports are disjoint and hold no BAR of bus 0. */
static void judge_windows(struct rig *r)
{
	struct range w[64];
	unsigned n = 0;

	for (unsigned devfn = 0; devfn < PCI_MAX_FNS; devfn++) {
		struct pci_fn *fn = r->host->fns[devfn];
		struct pci_window two[2];

		if (!fn)
			continue;
		if (fn->bridge) {
			pci_bridge_windows(fn, &two[0], &two[1]);
			for (unsigned i = 0; i < 2; i++) {
				if (two[i].base <= two[i].last)
					w[n++] = (struct range){ two[i].base, two[i].last + 1 - two[i].base };
			}
		}
	}
	for (unsigned i = 0; i < n; i++) {
		for (unsigned j = 0; j < i; j++)
			assert_false(range_overlaps(w[i].at, w[i].len, w[j].at, w[j].len));
		for (unsigned devfn = 0; devfn < PCI_MAX_FNS; devfn++) {
			struct pci_fn *fn = r->host->fns[devfn];

			for (unsigned b = 0; fn && b < PCI_BARS; b++) {
				if (fn->bar[b].size)
					assert_false(range_overlaps(w[i].at, w[i].len, pci_bar_addr(fn, b), fn->bar[b].size));
			}
		}
	}
}

static void random_bars(struct pci_fn *fn)
{
	for (unsigned bar = 0; bar < PCI_BARS; bar++) {
		switch (pick(5)) {
		case 0:
			assert_int_equal(pci_add_bar(fn, bar, BIT(4 + pick(19)), false, pick(2)), 0);
			break;
		case 1:
			if (bar < 5)
				assert_int_equal(pci_add_bar(fn, bar++, BIT(4 + pick(36)), true, true), 0);
			break;
		case 2:
			if (bar < 5)
				assert_int_equal(pci_add_bar(fn, bar++, BIT(4 + pick(19)), true, false), 0);
			break;
		}
	}
}

static void random_topology(struct rig *r)
{
	for (unsigned dev = 1; dev < 0x1f; dev++) {
		struct pci_fn *port = NULL;
		struct rig_dev *d;

		if (pick(3) == 0)
			continue;
		if (pick(3) == 0) {
			assert_int_equal(pci_root_port_create(r->host, dev, &port), 0);
			if (pick(4) == 0)
				continue;
		}
		d = rig_new("dev");
		random_bars(&d->fn);
		assert_int_equal(pci_plug(r->host, port, port ? 0 : PCI_DEVFN(dev, 0), &d->fn), 0);
	}
}

static void test_assign_random_topologies_keeps_the_properties(void **state)
{
	for (unsigned round = 0; round < 300; round++) {
		struct found f = { 0 };
		struct rig r;

		seed = round + 1;
		rig_init(&r);
		f.r = &r;
		random_topology(&r);
		assert_int_equal(pci_assign(r.host), 0);
		pci_for_each(r.host, judge, &f);
		judge_windows(&r);
		assert_true(IS_ALIGNED(pci_host_mem64_len(r.host), MiB(1)));
		assert_true(rig_map.mem64 + pci_host_mem64_len(r.host) <= rig_map.mem64_limit);
		rig_fini(&r);
	}
}

static void test_assign_twice_is_the_same(void **state)
{
	struct rig a, b;

	seed = 7;
	rig_init(&a);
	random_topology(&a);
	seed = 7;
	rig_init(&b);
	random_topology(&b);
	assert_int_equal(pci_assign(a.host), 0);
	assert_int_equal(pci_assign(b.host), 0);
	for (unsigned i = 0; i < PCI_MAX_FNS; i++) {
		if (a.host->fns[i])
			assert_memory_equal(a.host->fns[i]->cfg, b.host->fns[i]->cfg, PCI_CFG_SIZE);
	}
	rig_fini(&a);
	rig_fini(&b);
}

static void test_assign_without_64bit_bars_has_no_64bit_window(void **state)
{
	struct rig_dev *d = rig_new("dev");
	struct rig r;

	rig_init(&r);
	assert_int_equal(pci_add_bar(&d->fn, 0, 4096, true, false), 0);
	assert_int_equal(pci_plug(r.host, NULL, 8, &d->fn), 0);
	assert_int_equal(pci_assign(r.host), 0);
	assert_int_equal(pci_host_mem64_len(r.host), 0);
	rig_fini(&r);
}

/* limit: GiB; one BAR of size GiB and one of 1 GiB, RAM up to 6 GiB. */
static void test_assign_uses_the_gap_below_a_large_bar(void **state)
{
	static const struct {
		u64 size, limit;
		int want;
	} rows[] = { { 256, 512, 0 }, { 512, 1024, 0 }, { 512, 512, -ENOSPC }, { 4, 13, 0 }, { 4, 12, 0 }, { 4, 11, -ENOSPC } };

	for (unsigned i = 0; i < ARRAY_SIZE(rows); i++) {
		struct pci_map map = rig_map;
		struct rig_dev *a = rig_new("a"), *b = rig_new("b");
		struct pci_fn *port;
		struct rig r;

		map.mem64_limit = GiB(rows[i].limit);
		rig_init_map(&r, &map);
		assert_int_equal(pci_root_port_create(r.host, 0x10, &port), 0);
		assert_int_equal(pci_add_bar(&a->fn, 0, GiB(rows[i].size), true, true), 0);
		assert_int_equal(pci_add_bar(&b->fn, 0, GiB(1), true, true), 0);
		assert_int_equal(pci_plug(r.host, port, 0, &a->fn), 0);
		assert_int_equal(pci_plug(r.host, NULL, 8, &b->fn), 0);
		assert_int_equal(pci_assign(r.host), rows[i].want);
		rig_fini(&r);
	}
}

static void test_assign_without_room_says_enospc(void **state)
{
	struct pci_map map = rig_map;
	struct pci_fn *port;
	struct rig r;

	map.buses = 2;
	rig_init_map(&r, &map);
	assert_int_equal(pci_root_port_create(r.host, 0x10, &port), 0);
	assert_int_equal(pci_assign(r.host), 0);
	assert_int_equal(pci_host_last_bus(r.host), 1);
	assert_int_equal(pci_root_port_create(r.host, 0x11, &port), 0);
	assert_int_equal(pci_assign(r.host), -ENOSPC);
	rig_fini(&r);
	rig_init(&r);
	for (unsigned dev = 1; dev < 4; dev++) {
		struct rig_dev *d = rig_new("dev");

		assert_int_equal(pci_add_bar(&d->fn, 0, MiB(256), false, false), 0);
		assert_int_equal(pci_plug(r.host, NULL, PCI_DEVFN(dev, 0), &d->fn), 0);
	}
	assert_int_equal(pci_assign(r.host), -ENOSPC);
	rig_fini(&r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_assign_random_topologies_keeps_the_properties),
		cmocka_unit_test(test_assign_twice_is_the_same),
		cmocka_unit_test(test_assign_without_64bit_bars_has_no_64bit_window),
		cmocka_unit_test(test_assign_uses_the_gap_below_a_large_bar),
		cmocka_unit_test(test_assign_without_room_says_enospc),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
