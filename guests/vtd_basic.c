/* SPDX-License-Identifier: Apache-2.0 */
// nidus: -m 64M --viommu vtd --testdev
// expect: 0
/*
 * The unit end to end: registers, queue, translation on and off, page sizes, pass-through, PASIDs, a domain switch, and each refusal with
 * its reason in a fault record.
 */
#include "guests/lib/vtd.h"

#define IOVA 0x123456000ULL
#define DID 7

static struct vtd_unit u;
static struct tdev dev;
static u64 page[512] __attribute__((aligned(PAGE)));
static u64 other[512] __attribute__((aligned(PAGE)));
/* Inside the 2 MiB page that is mapped by one entry. */
#define BIG MiB(32)

static void works(u32 pasid, u64 iova, u64 *gpa, const char *what)
{
	static u64 n = 0x5000;
	u64 got;

	n++;
	CHECK(tdev_store(&dev, pasid, iova, n) == TESTDEV_STATUS_OK, "%s: write refused", what);
	CHECK(*(volatile u64 *)gpa == n, "%s: the write is not there", what);
	*(volatile u64 *)gpa = ~n;
	CHECK(tdev_load(&dev, pasid, iova, &got) == TESTDEV_STATUS_OK && got == ~n, "%s: read %x", what, got);
}

static void refused(u32 pasid, u64 iova, bool write, u8 reason, const char *what)
{
	struct vtd_fault f;
	u64 val;
	u32 status = write ? tdev_store(&dev, pasid, iova, 1) : tdev_load(&dev, pasid, iova, &val);

	CHECK(status == TESTDEV_STATUS_FAULT, "%s: not refused", what);
	CHECK(vtd_fault(&u, &f), "%s: no record", what);
	CHECK(f.reason == reason, "%s: reason %x", what, (u64)f.reason);
	CHECK(f.rid == dev.bdf && f.write == write && f.iova == (iova & ~0xfffULL), "%s: the record tells of %x at %x", what, (u64)f.rid, f.iova);
	CHECK(f.has_pasid == (pasid != DMA_NO_PASID) && f.pasid == (f.has_pasid ? pasid : 0), "%s: PASID %x", what, (u64)f.pasid);
	CHECK(!vtd_fault(&u, &f), "%s: a second record", what);
}

static void registers(void)
{
	CHECK(vtd_get(&u, VTD_CAP, 4) == (u32)u.cap && vtd_get(&u, VTD_CAP + 4, 4) == u.cap >> 32, "CAP differs by halves");
	CHECK(vtd_get(&u, VTD_ECAP, 4) == (u32)u.ecap && vtd_get(&u, VTD_ECAP + 4, 4) == u.ecap >> 32, "ECAP differs by halves");
	CHECK(!(u.cap & CAP_SAGAW) && (u.cap & CAP_CM), "CAP %x", u.cap);
	CHECK((u.ecap & ECAP_SMTS) && (u.ecap & ECAP_FSTS) && !(u.ecap & (ECAP_SSTS | ECAP_NEST)), "ECAP %x", u.ecap);
	works(DMA_NO_PASID, (u64)page, page, "translation off");
	vtd_set_up(&u);
	CHECK(vtd_get(&u, VTD_RTADDR, 8) == ((u64)u.root | 0x400), "RTADDR does not read back");
	CHECK(vtd_get(&u, VTD_IQA, 8) == ((u64)u.queue | IQA_DW), "IQA does not read back");
	for (unsigned i = 0; i < 2 * VTD_QUEUE_LEN + 3; i++)
		vtd_wait(&u);
	CHECK(vtd_get(&u, VTD_IQH, 8) == 32 * u.tail, "IQH is not at the tail");
	works(DMA_NO_PASID, (u64)page, page, "root table set, translation off");
}

static void page_sizes(u64 *top)
{
	vtd_map_page(top, GiB(2), BIG, 2, true);
	works(DMA_NO_PASID, GiB(2) + 0x5008, (u64 *)(BIG + 0x5008), "2 MiB page");
	if (u.cap & CAP_FS1GP) {
		vtd_map_page(top, GiB(8), 0, 3, true);
		works(DMA_NO_PASID, GiB(8) + BIG, (u64 *)BIG, "1 GiB page");
	}
	vtd_map(top, IOVA + PAGE, (u64)page, PAGE, false);
	refused(DMA_NO_PASID, IOVA + PAGE, true, FR_FS_WRITE, "read-only page");
	refused(DMA_NO_PASID, 1ULL << 50, false, FR_NOT_CANONICAL, "not canonical");
	vtd_map(top, IOVA + 2 * PAGE, 0xfee00000, PAGE, true);
	refused(DMA_NO_PASID, IOVA + 2 * PAGE, true, FR_MSI_RANGE, "mapped onto the interrupt range");
}

void guest_main(void)
{
	u64 *top = vtd_page(), *top2 = vtd_page();

	tdev_find(&dev, 0);
	CHECK(vtd_find(&u, dev.bdf), "no unit for the test device");
	registers();
	vtd_map(top, IOVA, (u64)page, PAGE, true);
	vtd_map(top2, IOVA, (u64)other, PAGE, true);
	vtd_cmd_set(&u, (u32)GCMD_TE);
	refused(DMA_NO_PASID, (u64)page, true, FR_ROOT_P, "no root entry");
	vtd_set_table(&u, dev.bdf, 0, DID, top);
	works(DMA_NO_PASID, IOVA, page, "4 KiB page");
	works(0, IOVA, page, "PASID 0 named");
	refused(DMA_NO_PASID, IOVA - PAGE, false, FR_FS_P, "not mapped");
	page_sizes(top);
	refused(5, IOVA, true, FR_PE_P, "no such PASID");
	vtd_set_table(&u, dev.bdf, 5, DID, top2);
	works(5, IOVA, other, "another PASID");
	works(DMA_NO_PASID, IOVA, page, "beside another PASID");

	vtd_unmap(top, IOVA, PAGE);
	vtd_inv_pages(&u, DID, 0, IOVA, 0);
	vtd_wait(&u);
	refused(DMA_NO_PASID, IOVA, true, FR_FS_P, "unmapped");
	works(5, IOVA, other, "another PASID after the unmap");
	vtd_set_pass(&u, dev.bdf, 0, DID + 1);
	works(DMA_NO_PASID, (u64)page, page, "pass-through");
	vtd_set_table(&u, dev.bdf, 0, DID, top2);
	works(DMA_NO_PASID, IOVA, other, "back to a table");
	vtd_set_none(&u, dev.bdf, 0);
	refused(DMA_NO_PASID, IOVA, false, FR_PE_P, "blocked");
	vtd_cmd_clear(&u, (u32)GCMD_TE);
	works(DMA_NO_PASID, (u64)page, page, "translation off again");
}
