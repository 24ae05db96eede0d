/* What the tests need of NVML: as many GPUs as the file $FAKE_NVML has lines, each "RETURN_CODE MILLIJOULES".
   Handles are pointers, good between nvmlInit_v2 and nvmlShutdown. Names, types and codes are those of nvml.h. */
#include <stdio.h>
#include <stdlib.h>

enum { SUCCESS = 0, UNINITIALIZED = 1, INVALID_ARGUMENT = 2, NOT_SUPPORTED = 3, GPU_IS_LOST = 15, UNKNOWN = 999 };
enum { MOST = 8 };

struct device { unsigned int index; };
typedef struct device *nvmlDevice_t;

static struct device *devices = NULL;

static int line_of(unsigned int index, int *code, unsigned long long *energy_mj) {
    FILE *file = fopen(getenv("FAKE_NVML"), "r");
    int found = 0;
    if (file == NULL) return 0;
    for (unsigned int k = 0; k <= index; k++) found = fscanf(file, "%d %llu", code, energy_mj) == 2;
    fclose(file);
    return found;
}

int nvmlInit_v2(void) {
    if (devices == NULL) devices = calloc(MOST, sizeof(struct device));
    return SUCCESS;
}

int nvmlShutdown(void) {
    if (devices == NULL) return UNINITIALIZED;
    free(devices);
    devices = NULL;
    return SUCCESS;
}

int nvmlDeviceGetHandleByIndex_v2(unsigned int index, nvmlDevice_t *device) {
    int code;
    unsigned long long energy_mj;
    if (devices == NULL) return UNINITIALIZED;
    if (index >= MOST || !line_of(index, &code, &energy_mj)) return INVALID_ARGUMENT;
    devices[index].index = index;
    *device = &devices[index];
    return SUCCESS;
}

int nvmlDeviceGetTotalEnergyConsumption(nvmlDevice_t device, unsigned long long *energy_mj) {
    int code;
    unsigned long long found;
    if (devices == NULL) return UNINITIALIZED;
    if (device < devices || device >= devices + MOST) return INVALID_ARGUMENT;
    if (!line_of(device->index, &code, &found)) return UNKNOWN;
    if (code == SUCCESS) *energy_mj = found;
    return code;
}

const char *nvmlErrorString(int code) {
    switch (code) {
        case SUCCESS: return "The operation was successful";
        case UNINITIALIZED: return "Uninitialized";
        case INVALID_ARGUMENT: return "Invalid Argument";
        case NOT_SUPPORTED: return "Not Supported";
        case GPU_IS_LOST: return "GPU is lost";
        default: return "Unknown Error";
    }
}
