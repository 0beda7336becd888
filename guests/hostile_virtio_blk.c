/* SPDX-License-Identifier: Apache-2.0 */
// nidus: -m 64M -c 2 -d $DISK --rng off
// nidus: -m 64M -c 2 --viommu vtd -d $DISK,viommu=on --rng off
// expect: 0
/* A hostile driver of the disk, while the other CPU counts. */
#include "guests/lib/virtio.h"

void guest_main(void)
{
	struct vdev v;

	tick_start();
	CHECK(virtio_find(VIRTIO_BLK, &v), "no disk");
	virtio_abuse_all(&v);
}
