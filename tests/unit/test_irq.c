/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/unit.h"

#include "vmm/irq.h"

static struct {
	unsigned msis, tables, attached;
	struct irq_route routes[IRQ_MAX_ROUTES];
	unsigned n;
	int fail;
} k;

static int signal_msi(void *ctx, u64 addr, u32 data)
{
	k.msis++;
	return k.fail;
}

static int set_routes(void *ctx, const struct irq_route *r, unsigned n)
{
	if (k.fail)
		return k.fail;
	memcpy(k.routes, r, n * sizeof(*r));
	k.n = n;
	k.tables++;
	return 0;
}

static int irqfd(void *ctx, int fd, u32 gsi, int resample, bool add)
{
	if (k.fail && add)
		return k.fail;
	k.attached += add ? 1 : -1U;
	return 0;
}

static const struct irq_backend be = { signal_msi, set_routes, irqfd };

static struct irq *fresh(void)
{
	struct irq *irq;

	memset(&k, 0, sizeof(k));
	assert_int_equal(irq_create(&be, NULL, &irq), 0);
	return irq;
}

static void test_irq_vec_set_routes_once_per_change(void **state)
{
	struct irq *irq = fresh();
	struct irq_vec v = { 0 };

	assert_int_equal(irq_vec_create(irq, &v), 0);
	assert_true(v.gsi >= IRQ_LINES);
	assert_int_equal(irq_vec_set(&v, 8, 0xfee00000, 0x41), 0);
	assert_int_equal(irq_vec_set(&v, 8, 0xfee00000, 0x41), 0);
	assert_int_equal(k.tables, 1);
	assert_int_equal(k.attached, 1);
	irq_vec_mask(&v);
	assert_int_equal(k.attached, 0);
	assert_int_equal(irq_vec_set(&v, 8, 0xfee01000, 0x41), 0);
	assert_int_equal(k.routes[0].addr, 0xfee01000);
	irq_vec_destroy(&v);
	assert_int_equal(k.attached, 0);
	irq_vec_destroy(&v);
	irq_destroy(irq);
}

static void test_irq_vec_set_failure_keeps_old_route(void **state)
{
	struct irq *irq = fresh();
	struct irq_vec v = { 0 };

	assert_int_equal(irq_vec_create(irq, &v), 0);
	assert_int_equal(irq_vec_set(&v, 8, 0xfee00000, 1), 0);
	k.fail = -ENOMEM;
	assert_int_equal(irq_vec_set(&v, 8, 0xfee00000, 2), -ENOMEM);
	k.fail = 0;
	assert_int_equal(irq_line_route(irq, 3, 0xfee00000, 9), 0);
	assert_int_equal(k.n, 2);
	assert_int_equal(k.routes[0].gsi, 3);
	assert_int_equal(k.routes[1].data, 1);
	irq_vec_destroy(&v);
	irq_destroy(irq);
}

static void test_irq_vec_all_in_use_is_enospc_and_reusable(void **state)
{
	struct irq *irq = fresh();
	static struct irq_vec v[IRQ_MAX_ROUTES];
	struct irq_vec one;
	unsigned n = 0;
	int err = 0;

	/* Descriptors are a smaller number than routes on some machines: either limit must be told apart from success. */
	while (n < IRQ_MAX_ROUTES && (err = irq_vec_create(irq, &v[n])) == 0)
		n++;
	assert_true(err == -ENOSPC || err == -EMFILE);
	irq_vec_destroy(&v[5]);
	assert_int_equal(irq_vec_create(irq, &one), 0);
	assert_int_equal(one.gsi, IRQ_LINES + 5);
	irq_vec_destroy(&one);
	for (unsigned i = 0; i < n; i++)
		irq_vec_destroy(&v[i]);
	irq_destroy(irq);
}

static void test_irq_msi_refused_by_host_does_not_stop(void **state)
{
	struct irq *irq = fresh();

	k.fail = -EINVAL;
	irq_msi(irq, 0x10, 0, 0);
	assert_int_equal(k.msis, 1);
	irq_line(irq, 4, true);
	irq_line(irq, 4000, true);
	irq_destroy(irq);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_irq_vec_set_routes_once_per_change),
		cmocka_unit_test(test_irq_vec_set_failure_keeps_old_route),
		cmocka_unit_test(test_irq_vec_all_in_use_is_enospc_and_reusable),
		cmocka_unit_test(test_irq_msi_refused_by_host_does_not_stop),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
