package dev.kerasint8.bench;

import android.content.Context;
import android.content.Intent;
import android.content.IntentFilter;
import android.content.pm.PackageManager;
import android.os.BatteryManager;
import android.os.Build;
import android.os.PowerManager;

import dev.kerasint8.bench.core.Conditions;
import dev.kerasint8.bench.core.Core;
import dev.kerasint8.bench.core.Cores;
import dev.kerasint8.bench.core.Memory;
import dev.kerasint8.bench.core.Phone;
import dev.kerasint8.bench.core.Storage;

import java.io.File;
import java.text.SimpleDateFormat;
import java.util.Date;
import java.util.List;
import java.util.Locale;

/** The phone as Android tells of it. */
final class AndroidPhone implements Phone {
    private final Context context;

    AndroidPhone(Context context) {
        this.context = context.getApplicationContext();
    }

    @Override
    public Facts facts() {
        String soc = Build.VERSION.SDK_INT >= 31 ? Build.SOC_MANUFACTURER + " " + Build.SOC_MODEL : Build.HARDWARE;
        String abi = android.os.Process.is64Bit() ? Build.SUPPORTED_64_BIT_ABIS[0] : Build.SUPPORTED_32_BIT_ABIS[0];
        boolean emulator = Build.HARDWARE.contains("ranchu") || Build.HARDWARE.contains("goldfish")
                || Build.HARDWARE.contains("cutf") || Build.PRODUCT.startsWith("sdk_");
        return new Facts(Build.MANUFACTURER, Build.MODEL, soc, abi, Build.VERSION.RELEASE, emulator);
    }

    @Override
    public Conditions conditions() {
        PowerManager power = (PowerManager) context.getSystemService(Context.POWER_SERVICE);
        Integer thermal = Build.VERSION.SDK_INT >= 29 ? power.getCurrentThermalStatus() : null;
        // A sticky broadcast: registering without a receiver returns the last one.
        Intent battery = context.registerReceiver(null, new IntentFilter(Intent.ACTION_BATTERY_CHANGED));
        if (battery == null) {
            return new Conditions(thermal, null, null, null, power.isPowerSaveMode());
        }
        int tenths = battery.getIntExtra(BatteryManager.EXTRA_TEMPERATURE, Integer.MIN_VALUE);
        int level = battery.getIntExtra(BatteryManager.EXTRA_LEVEL, -1);
        int scale = battery.getIntExtra(BatteryManager.EXTRA_SCALE, 0);
        int plugged = battery.getIntExtra(BatteryManager.EXTRA_PLUGGED, -1);
        return new Conditions(
                thermal,
                tenths == Integer.MIN_VALUE ? null : tenths / 10.0,
                level < 0 || scale <= 0 ? null : 100 * level / scale,
                plugged < 0 ? null : plugged != 0,
                power.isPowerSaveMode());
    }

    @Override
    public List<Core> cores() {
        return Cores.read(new File("/sys/devices/system/cpu"));
    }

    @Override
    public List<Integer> pin(List<Integer> cores) {
        return Affinity.pin(cores);
    }

    @Override
    public Double peakMegabytes() {
        return Memory.peakMegabytes(Storage.textOrNothing(new File("/proc/self/status")));
    }

    @Override
    public String version() {
        try {
            return context.getPackageManager().getPackageInfo(context.getPackageName(), 0).versionName;
        } catch (PackageManager.NameNotFoundException impossible) { // it is this app's own
            throw new IllegalStateException(impossible);
        }
    }

    @Override
    public String now() {
        return new SimpleDateFormat("yyyy-MM-dd'T'HH:mm:ssXXX", Locale.ROOT).format(new Date());
    }
}
