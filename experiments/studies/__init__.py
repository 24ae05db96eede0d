"""Studies that can be reproduced, one folder a study."""
