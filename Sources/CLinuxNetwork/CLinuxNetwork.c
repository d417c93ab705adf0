#include "CLinuxNetwork.h"
